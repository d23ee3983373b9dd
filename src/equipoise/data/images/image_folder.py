"""The images below a folder, and what lies beside them: for all readers of folders of images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import commonprefix, splitext

from equipoise.data.images.annotations import annotations_problem, find_annotations
from equipoise.data.images.companions import find_companions
from equipoise.data.images.file import SUFFIXES
from equipoise.data.images.listing import first_few
from equipoise.data.images.options import ReadOptions
from equipoise.data.images.outline import pixel_faults
from equipoise.data.walking import examples_of, ignore_options, walk
from equipoise.exceptions import DataError
from equipoise.names import first_names

# Images that are not read: of other formats, and of volumes and slides.
OTHER_FORMATS = frozenset({
    ".avif", ".czi", ".dcm", ".dicom", ".gif", ".heic", ".heif", ".ima", ".j2k", ".jfif", ".jp2",
    ".jpe", ".jxl", ".lif", ".mha", ".mhd", ".mrxs", ".nd2", ".ndpi", ".nii", ".nrrd", ".pbm",
    ".pgm", ".pnm", ".ppm", ".psd", ".scn", ".svs", ".tga", ".webp",
})  # fmt: skip
SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")
DICOM = (128, b"DICM")  # where a DICOM file has its signature


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """The images below a folder.

    Attributes:
        files: Paths relative to the folder, with "/", sorted.
        other_files: Those of the files that are not images.
        notes: Sentences for the user: what was left out.
        problems: What is almost surely a mistake, a sentence each, with the options that answer it.
        patterns: Those of companions of images, which are then not among the files.
        not_read: Images of other formats.
        listable: Whether the files show the classes in spite of the problems.
    """

    files: tuple[str, ...]
    other_files: tuple[str, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    not_read: tuple[str, ...] = ()
    listable: bool = True


def read_image_folder(root: Path, options: ReadOptions, *, classes: bool = False) -> ImageFolder:
    """List the images below a folder; what is almost surely a mistake is refused.

    Hidden and system files are left out, as `equipoise.data.walking.walk` says.

    Args:
        root: The folder.
        options: `ignore`, `follow_links` and `on_error` are used.
        classes: Whether its folders are read as classes, so that annotations of objects in the
            images are refused.

    Raises:
        DataError: Annotations of objects, masks, labels or other companions of images are among
            them; links have no target or lead out of the folder; or there are images of other
            formats. The message names all of these, and the options that answer them.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("1.png", "2.png", "._1.png", "notes.txt"):
        ...         Path(folder, name).touch()
        ...     images = read_image_folder(Path(folder), ReadOptions())
        >>> images.files
        ('1.png', '2.png')
        >>> len(images.notes)
        2
    """
    folder = examine_image_folder(root, options, classes=classes)
    if folder.problems:
        damage = pixel_faults(root, folder.files, options)
        raise DataError("\n".join([*folder.problems, *damage]))
    return folder


def examine_image_folder(root: Path, options: ReadOptions, *, classes: bool = False) -> ImageFolder:
    """List the images below a folder, with what is almost surely a mistake.

    Args:
        root: See `read_image_folder`.
        options: See there.
        classes: See there.

    Raises:
        DataError: A folder cannot be read, or a name is not UTF-8.
    """
    everything = walk(root, ignore=options.ignore, follow_links=options.follow_links)
    images = everything.where(is_image)
    other_files = [file for file in everything.files if not is_image(file)]
    not_read = images_not_read(root, images.files, other_files)
    problems: list[str] = []
    if classes and (annotations := find_annotations(root, images.files, other_files)):
        problems.append(annotations_problem(root, annotations))
    problems += images.problems(skip=options.on_error == "skip")
    is_listable = not problems
    companions = find_companions(images.files)
    if companions:
        problems.append(companions_problem(root, companions))
    if not_read:
        patterns = patterns_of(not_read, images.files)
        problems.append(
            f"{len(not_read)} images in {root} are not PNG, JPEG, BMP or TIFF, or have no such "
            f"ending: {first_few(not_read)}. Convert or rename them, or leave them out with ignore "
            f"({ignore_options(patterns)}). Volumes are read with --task segmentation."
        )
    without_effect = everything.unmatched(options.ignore)
    if without_effect and problems:
        problems.append(without_effect)
    notes = images.notes()
    if without_effect:
        notes.append(without_effect)
    if other_files:
        notes.append(f"Left out, not images ({len(other_files):,}): {by_suffix(other_files)}.")
    beside = {file for files in companions.values() for file in files}
    return ImageFolder(
        files=tuple(file for file in images.files if file not in beside),
        other_files=tuple(other_files),
        notes=tuple(notes),
        problems=tuple(problems),
        patterns=tuple(companions),
        not_read=tuple(not_read),
        listable=is_listable,
    )


def is_image(file: str) -> bool:
    """Return whether a file is an image by its suffix."""
    return splitext(file)[1].lower() in SUFFIXES


def images_not_read(root: Path, images: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return images in formats that are not read, except those beside an image of their name.

    Files without a suffix, or with a number in its place, are recognized by their content.
    """
    if not others:
        return []
    names = {PurePosixPath(file).with_suffix("") for file in images}
    not_read = []
    for file in others:
        path = PurePosixPath(file)
        suffix = path.suffix.lower()
        is_other = suffix in OTHER_FORMATS or file.lower().endswith(".nii.gz")
        if not is_other and (not suffix or suffix[1:].isdecimal()):
            is_other = has_signature(root / file)
        if is_other and path.with_suffix("") not in names:
            not_read.append(file)
    return not_read


def patterns_of(files: Sequence[str], images: Sequence[str]) -> list[str]:
    """Return patterns that match all of some files, and no image.

    Example:
        >>> patterns_of(["a/1.dcm", "a/IM1", "b/IM2", "b/IM3"], ["a/1.png"])
        ['*.dcm', 'IM*']
        >>> patterns_of(["a/IM1", "b/IM2"], ["a/IM1.png"])
        ['IM1', 'IM2']
    """
    suffixes: set[str] = set()
    names: set[str] = set()
    for file in map(PurePosixPath, files):
        if file.suffix and not file.suffix[1:].isdecimal():
            suffixes.add(f"*{file.suffix}")
        else:
            names.add(file.name)
    prefix = commonprefix(sorted(names))
    is_of_image = any(PurePosixPath(image).name.startswith(prefix) for image in images)
    if len(names) > 1 and prefix and not is_of_image:
        names = {f"{prefix}*"}
    return [*sorted(suffixes), *sorted(names)]


def has_signature(file: Path) -> bool:
    """Return whether a file begins like an image."""
    position, signature = DICOM
    try:
        with file.open("rb") as stream:
            beginning = stream.read(position + len(signature))
    except OSError:
        return False
    return beginning.startswith(SIGNATURES) or beginning[position:] == signature


def companions_problem(root: Path, companions: dict[str, list[str]]) -> str:
    """Return what is wrong about masks and labels among images, and the options that help."""
    n_files = sum(map(len, companions.values()))
    return (
        f"{n_files:,} files in {root} seem to be masks, labels or other versions of images, not "
        f"images of a class: {examples_of(companions)}. Leave them out with ignore "
        f"({ignore_options(companions)}). If they are images to learn from, rename them, or list "
        "all images with their labels in a table (--table CSV)."
    )


def by_suffix(files: Sequence[str]) -> str:
    """Return how many files of each suffix there are, with the names where they are few.

    Example:
        >>> by_suffix(["a.csv", "b.txt", "c.txt", "d.txt", "e.txt", "f.txt", "README"])
        '5 .txt, 1 .csv, 1 without a suffix'
        >>> by_suffix(["a.csv", "b.txt"])
        '“a.csv”, “b.txt”'
    """
    if len(files) <= 5:
        return first_names(files)
    counts = Counter(PurePosixPath(file).suffix.lower() for file in files)
    parts = []
    for suffix, n in counts.most_common(8):
        parts.append(f"{n:,} {suffix or 'without a suffix'}")
    n_more = sum(counts.values()) - sum(n for _, n in counts.most_common(8))
    return ", ".join(parts) + (f" and {n_more:,} more" if n_more else "")

"""Find the images that a table names otherwise than by their paths.

Tables contain ids ("ISIC_0024306"), names without their folders, or the paths of another machine.
A cell names an image if both have the same name, whatever its case and suffix, and if their
folders agree as far as both have some. Companions of images, such as masks, are left out.
"""

from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from equipoise.data.images.companions import find_companions
from equipoise.data.images.file import SUFFIXES
from equipoise.data.images.image_folder import OTHER_FORMATS, is_image
from equipoise.data.walking import walk


def find_by_name(
    root: Path, cells: Collection[str], *, ignore: Sequence[str], follow_links: bool
) -> dict[str, list[str]]:
    """Return cell -> the paths below a folder, with "/", of the images that it may name.

    Args:
        root: The folder.
        cells: Cells of a table.
        ignore: Patterns of files that are left out; see `equipoise.data.walking.walk`.
        follow_links: Whether links may lead out of the folder.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for file in ("a/1.png", "b/1.png", "b/2.JPG"):
        ...         Path(folder, file).parent.mkdir(exist_ok=True)
        ...         Path(folder, file).touch()
        ...     cells = ["1", "/films/a/1.png", "2", "a/2.jpg"]
        ...     list(find_by_name(Path(folder), cells, ignore=(), follow_links=False).values())
        [['a/1.png', 'b/1.png'], ['a/1.png'], ['b/2.JPG'], []]
    """
    tree = walk(root, ignore=ignore, follow_links=follow_links)
    images = list(filter(is_image, tree.files))
    companions = {file for files in find_companions(images).values() for file in files}
    by_name: dict[str, list[str]] = {}
    for file in images:
        if file not in companions:
            by_name.setdefault(name_of(PurePosixPath(file)), []).append(file)
    candidates = {}
    for cell in cells:
        path = PurePosixPath(cell.replace("\\", "/").lower())
        of_name = by_name.get(name_of(path), [])
        candidates[cell] = [file for file in of_name if same_folders(path, file)]
    return candidates


def name_of(path: PurePosixPath) -> str:
    """Return the name of a file in lower case, without the suffix of an image."""
    suffix = path.suffix.lower()
    return (path.stem if suffix in SUFFIXES | OTHER_FORMATS else path.name).lower()


def same_folders(path: PurePosixPath, file: str) -> bool:
    """Return whether the last folders of two paths agree, as many as both have."""
    named, actual = path.parts[:-1], PurePosixPath(file.lower()).parts[:-1]
    n = min(len(named), len(actual))
    return n == 0 or named[-n:] == actual[-n:]

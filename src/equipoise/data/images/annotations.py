"""Find annotations of objects beside images: boxes and outlines, which are no classes of images.

    COCO     a .json with the images and the annotations of many images
    VOC      an .xml that begins with <annotation>, for each image
    YOLO     a .txt with a class and coordinates in each line, for each image
    LabelMe  a .json with the shapes in an image, for each image

Files are recognized by what they contain: reports and other texts beside images are none.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from equipoise.data.walking import examples_of, ignore_options

HEAD_BYTES = 65536  # of a file, at its beginning and at its end
N_EXAMPLES = 20  # files of a folder and suffix that are looked into
COCO = (b'"images"', b'"annotations"')
LABELME = (b'"shapes"', b'"imagePath"')
VIA = (b'"regions"', b'"shape_attributes"')
YOLO_LINE = re.compile(rb"\s*\d+(\s+-?\d*\.?\d+(e-?\d+)?){4,}\s*", re.IGNORECASE)


def find_annotations(
    root: Path, images: Iterable[str], other_files: Iterable[str]
) -> dict[str, list[str]]:
    """Return pattern -> annotations of objects that it matches: the name of a folder, or a suffix.

    Without images there is nothing that they could annotate.

    Args:
        root: The folder that is read.
        images: Paths of the images in it, with "/".
        other_files: Paths of the other files in it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for file in ("train/1.txt", "labels/2.txt", "report.txt"):
        ...         Path(folder, file).parent.mkdir(exist_ok=True)
        ...         _ = Path(folder, file).write_text("0 0.5 0.5 0.1 0.2")
        ...     texts = ("labels/2.txt", "report.txt", "train/1.txt")
        ...     find_annotations(Path(folder), ("train/1.png", "train/2.png"), texts)
        {'labels': ['labels/2.txt'], '*.txt': ['train/1.txt']}
    """
    paths = list(map(PurePosixPath, images))
    candidates = list(other_files)
    if not paths or not candidates:
        return {}
    stems = {path.stem for path in paths}
    image_folders = {parent for path in paths for parent in path.parents}
    groups: dict[tuple[PurePosixPath, str], list[str]] = defaultdict(list)
    for file in candidates:
        path = PurePosixPath(file)
        suffix = path.suffix.lower()
        if suffix in {".json", ".xml"} or (suffix == ".txt" and path.stem in stems):
            groups[path.parent, suffix].append(file)
    annotations: dict[str, list[str]] = defaultdict(list)
    for (folder, suffix), files in groups.items():
        examples = [root / file for file in files[:N_EXAMPLES]]
        if any(annotates_objects(example) for example in examples):
            pattern = (
                f"*{suffix}" if folder in image_folders else top_without(folder, image_folders)
            )
            annotations[pattern] += files
    return dict(annotations)


def top_without(folder: PurePosixPath, image_folders: set[PurePosixPath]) -> str:
    """Return the name of the highest folder around a folder that has no image below it."""
    above = [parent for parent in (folder, *folder.parents) if parent not in image_folders]
    return above[-1].name


def annotates_objects(path: Path) -> bool:
    """Return whether a file contains boxes or outlines of objects, by its beginning and end."""
    try:
        with path.open("rb") as file:
            content = file.read(HEAD_BYTES)
            size = path.stat().st_size
            file.seek(max(HEAD_BYTES, size - HEAD_BYTES))
            content += file.read(HEAD_BYTES)
    except OSError:
        return False
    if path.suffix.lower() == ".xml":
        return b"<annotation" in content
    if path.suffix.lower() == ".json":
        return any(all(word in content for word in words) for words in (COCO, LABELME, VIA))
    lines = content[:HEAD_BYTES].splitlines()[:N_EXAMPLES]
    return bool(lines) and all(map(YOLO_LINE.fullmatch, lines))


def annotations_problem(root: Path, annotations: dict[str, list[str]]) -> str:
    """Return what is wrong about images with annotations of objects, and what answers it."""
    return (
        f"{root} seems to be a set of annotated objects, not of images with one class each: "
        f"{examples_of(annotations)} contain boxes or outlines. List the images with their classes "
        "in a table (--table CSV with the columns path, label and patient). If the images do lie "
        f"in class folders, leave the annotations out with ignore ({ignore_options(annotations)})."
    )

"""Find the images that a table names otherwise than by their paths.

Tables contain ids ("ISIC_0024306"), names without their folders, or the paths of another machine.
A cell names an image if both have the same name, whatever its case and suffix, and if their
folders agree as far as both have some. Companions of images, such as masks, are left out.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from posixpath import splitext

from equipoise.data.images.companions import find_companions
from equipoise.data.images.file import SUFFIXES
from equipoise.data.images.image_folder import OTHER_FORMATS, is_image
from equipoise.data.walking import walk

IMAGE_SUFFIXES = SUFFIXES | OTHER_FORMATS


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
    return files_of_cells(cells, (file for file in images if file not in companions))


def files_of_cells(cells: Collection[str], images: Iterable[str]) -> dict[str, list[str]]:
    """Return cell -> the images that it may name, in their order.

    Args:
        cells: Cells of a table.
        images: Paths of images, with "/".

    Example:
        >>> files_of_cells(["p1/view", "set/p2/view.jpg"], ["p1/view.png", "p2/view.png"])
        {'p1/view': ['p1/view.png'], 'set/p2/view.jpg': ['p2/view.png']}
    """
    parts_of_cell = {cell: parts_of(cell) for cell in cells}
    wanted = set(parts_of_cell.values())
    of_path: dict[tuple[str, ...], list[tuple[int, str]]] = defaultdict(list)
    of_ending: dict[tuple[str, ...], list[tuple[int, str]]] = defaultdict(list)
    for position, file in enumerate(images):
        parts = parts_of(file)
        of_path[parts].append((position, file))
        for ending in endings(parts)[1:]:
            if ending in wanted:
                of_ending[ending].append((position, file))
    candidates = {}
    for cell, parts in parts_of_cell.items():
        named = list(of_ending.get(parts, ()))
        for ending in endings(parts):
            named += of_path.get(ending, ())
        candidates[cell] = [file for _, file in sorted(named)]
    return candidates


def parts_of(path: str) -> tuple[str, ...]:
    """Return folders and name in lower case, the name without the suffix of an image.

    Example:
        >>> parts_of("P1/View.PNG"), parts_of("films/p1.2")
        (('p1', 'view'), ('films', 'p1.2'))
    """
    *folders, name = path.lower().replace("\\", "/").split("/")
    stem, suffix = splitext(name)
    folders = [folder for folder in folders if folder not in {"", "."}]
    return (*folders, stem if suffix in IMAGE_SUFFIXES else name)


def endings(parts: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the parts from each of them on, all of them first."""
    return [tuple(parts[start:]) for start in range(len(parts))]

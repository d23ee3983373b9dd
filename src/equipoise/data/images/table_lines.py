"""The lines of a table of images, and the files that they name."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from equipoise.data.csv_table import Table, TableRow, is_file, resolve_cell
from equipoise.data.images.image_folder import is_image
from equipoise.data.images.listing import ListedImage, first_few
from equipoise.data.images.named_files import find_by_name
from equipoise.data.images.options import ReadOptions
from equipoise.data.spelling import is_missing
from equipoise.data.walking import SYSTEM_NAMES, is_ignored
from equipoise.names import first_names

# Fault of a path -> problem and fix.
PATH_FAULTS = {
    "no value": ("no value in column '{column}'", "Fill it in, or remove the lines."),
    "several files": (
        "names of several files below {root}",
        "Write their paths from this folder, or leave the others out with ignore (--ignore).",
    ),
    "outside": (
        "paths leave the folder {root}",
        "Copy the images into the folder, or follow links with follow_links (--follow-links).",
    ),
    "no file": (
        "paths do not exist in {root}, and no image there is called so",
        "Correct the paths, or remove the lines.",
    ),
    "conflict": ("files twice, with different labels", "Keep one line per image."),
}


MOST_DIGITS = 16  # of an id whose zeros a spreadsheet has cut


@dataclass(frozen=True, kw_only=True)
class Lines:
    """The lines of a table, and the faults that were found in them so far.

    Attributes:
        table: The table.
        path_column: The column that names a line in a message.
        faults: Sentences that name lines.
    """

    table: Table
    path_column: str
    faults: list[str] = field(default_factory=list)

    def add_fault(self, rows: Sequence[TableRow], problem: str, fix: str) -> None:
        """Add a fault that names the lines with a problem, if there are any."""
        if rows:
            names = [f"{row.place} ({row.cells[self.path_column] or 'no path'})" for row in rows]
            self.faults.append(f"{problem}: {first_few(names)}. {fix}")

    def rows_where(self, column: str, condition: Callable[[str], bool]) -> list[TableRow]:
        """Return the rows whose cell in a column meets a condition."""
        return [row for row in self.table.rows if condition(row.cells[column])]


@dataclass(frozen=True, kw_only=True)
class NamedFiles:
    """The files that the lines of a table name.

    Attributes:
        paths: The absolute path of each line, as it is written where it names no file.
        several: Cells that name several files.
        cut: A number that names no file, and the same with zeros before it, which does; or empty.
        n_by_name: Number of lines whose file was found by its name alone.
    """

    paths: list[Path]
    several: set[str]
    cut: tuple[str, ...] = ()
    n_by_name: int


def relative_paths(
    lines: Lines, root: Path, label_column: str, options: ReadOptions
) -> tuple[list[str], list[str]]:
    """Return the path of each line's image from the root on, with "/", and notes about them.

    What is wrong with the paths is added to the faults of the lines; a path that leaves the root
    stays absolute.
    """
    base, column = root.resolve(), lines.path_column
    labels: dict[Path, set[str]] = {}  # of each file
    named = named_files(lines, base, options)
    for row, path in zip(lines.table.rows, named.paths, strict=True):
        labels.setdefault(path, set()).add(row.cells[label_column])
    rows_of: dict[str, list[TableRow]] = {fault: [] for fault in PATH_FAULTS}
    for row, path in zip(lines.table.rows, named.paths, strict=True):
        if is_missing(row.cells[column]):
            rows_of["no value"].append(row)
        elif row.cells[column] in named.several:
            rows_of["several files"].append(row)
        elif not is_file(path):
            rows_of["no file"].append(row)
        elif not path.is_relative_to(base):
            rows_of["outside"].append(row)
        elif len(labels[path]) > 1:
            rows_of["conflict"].append(row)
    for fault, (problem, fix) in PATH_FAULTS.items():
        remedy = fix
        if fault == "no file" and named.cut:
            number, padded = named.cut
            remedy = f"With zeros before it {number} names an image ({padded}): write ids as text."
        lines.add_fault(rows_of[fault], problem.format(column=column, root=root), remedy)
    files = []
    for path in named.paths:
        inside = path.relative_to(base) if path.is_relative_to(base) else path
        files.append(inside.as_posix())
    notes = []
    if named.n_by_name:
        notes.append(
            f"{named.n_by_name:,} of {len(files):,} images were found by their names, because "
            f"column '{column}' does not have their paths from the folder of the images."
        )
    if not any(rows_of.values()):
        notes += unlisted_note(base, files, options.ignore)
    return files, notes


def named_files(lines: Lines, base: Path, options: ReadOptions) -> NamedFiles:
    """Find the file of each line: by its path, or else by its name below a folder.

    Args:
        lines: The lines.
        base: The absolute folder.
        options: `ignore` and `follow_links` are used.
    """
    cells = lines.table.cells(lines.path_column)
    paths = []
    absent: set[str] = set()
    for cell in cells:
        path = resolve_cell(cell, base, keep_links=options.follow_links)
        paths.append(path)
        if not is_missing(cell) and not is_file(path):
            absent.add(cell)
    if not absent:
        return NamedFiles(paths=paths, several=set(), n_by_name=0)
    candidates = find_by_name(
        base, absent, ignore=options.ignore, follow_links=options.follow_links
    )
    n_by_name = 0
    for i, cell in enumerate(cells):
        if len(candidates.get(cell, ())) == 1:
            paths[i] = resolve_cell(candidates[cell][0], base, keep_links=options.follow_links)
            n_by_name += 1
    several = {cell for cell, files in candidates.items() if len(files) > 1}
    unnamed = [cell for cell in cells if not candidates.get(cell, True)]
    cut = cut_zeros(unnamed, base, options)
    return NamedFiles(paths=paths, several=several, n_by_name=n_by_name, cut=cut)


def cut_zeros(cells: Sequence[str], base: Path, options: ReadOptions) -> tuple[str, ...]:
    """Return the first number that names an image with zeros before it, and that; or nothing."""
    number = next(filter(str.isdecimal, cells), "")
    padded = [number.zfill(n) for n in range(len(number) + 1, MOST_DIGITS + 1)] if number else []
    files = find_by_name(base, padded, ignore=options.ignore, follow_links=options.follow_links)
    names = [cell for cell, images in files.items() if images]
    return (number, names[0]) if names else ()


def once_each(lines: Lines, images: Sequence[ListedImage]) -> tuple[list[ListedImage], list[str]]:
    """Return each image once, and a note where lines repeat some, as one line for each box does.

    Lines of one image that differ in its patient or split are added to the faults of the lines.

    Args:
        lines: The lines.
        images: The image of each line.
    """
    places: dict[str, set[tuple[str, str]]] = {}  # file -> its patients and splits
    for image in images:
        places.setdefault(image.file, set()).add((image.patient, image.split))
    differing: list[TableRow] = []
    for row, image in zip(lines.table.rows, images, strict=True):
        if len(places[image.file]) > 1 and not is_missing(row.cells[lines.path_column]):
            differing.append(row)
    problem = "files twice, with different patients or splits"
    lines.add_fault(differing, problem, "Keep one line per image.")
    different = list(dict.fromkeys(images))
    n_repeated = len(images) - len(different)
    if not n_repeated:
        return different, []
    return different, [
        f"{n_repeated:,} of {len(images):,} lines repeat an image with the same class (as for "
        "several boxes in it) and count once."
    ]


def unlisted_note(base: Path, files: Sequence[str], ignore: Sequence[str]) -> list[str]:
    """Return a note about images in the folders of the files that are not among them, if any."""
    listed = set(files)
    unlisted: list[str] = []
    for folder in sorted({PurePosixPath(file).parent for file in files}):
        for entry in sorted(os.scandir(base / folder), key=lambda entry: entry.name):
            path = (folder / entry.name).as_posix()
            is_left_out = SYSTEM_NAMES.fullmatch(entry.name) or is_ignored(path, ignore)
            if is_image(path) and path not in listed and not is_left_out:
                unlisted.append(path)
    if not unlisted:
        return []
    return [f"Left out, images that no line names ({len(unlisted):,}): {first_names(unlisted)}."]

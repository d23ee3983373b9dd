"""Tables that are the parts of a split by their names, such as train.csv and test.csv."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from equipoise.data.csv_table import Table, TableRow, compact, read_table
from equipoise.data.images.companions import words_of
from equipoise.data.images.listing import split_of
from equipoise.data.images.table_columns import COLUMNS, TABLE_SUFFIXES
from equipoise.data.walking import SYSTEM_NAMES, is_ignored
from equipoise.names import first_names

SPLIT_COLUMN = "split"  # of the joined table


def parts_of_split(path: Path, ignore: Sequence[str] = ()) -> dict[Path, str]:
    """Return table -> part of the split, of a table and those that are called like it.

    They are beside it, such as train.csv and test.csv, or in folders beside its own, such as
    train/labels.csv and test/labels.csv. Empty unless one part is for training and one is not.
    Files of the system, such as ._test.csv, are none.

    Args:
        path: The table.
        ignore: Patterns of tables that are left out.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("labels_train.csv", "labels_val.csv", "train.csv", "other.csv"):
        ...         Path(folder, name).touch()
        ...     parts_of_split(Path(folder, "labels_val.csv")).values()
        dict_values(['train', 'validation'])
    """
    pattern, own_part = pattern_and_part(path.stem)
    parts: dict[Path, str] = {}
    if own_part:
        for other in path.parent.iterdir():
            other_pattern, part = pattern_and_part(other.stem)
            if part and other_pattern == pattern and other.suffix.lower() in TABLE_SUFFIXES:
                parts[other] = part
    elif split_of(path.parent.name):
        for folder in path.parent.parent.iterdir():
            parts[folder / path.name] = split_of(folder.name)
    for other, part in sorted(parts.items()):
        is_left_out = is_ignored(f"{other.parent.name}/{other.name}", ignore)
        is_left_out = is_left_out or SYSTEM_NAMES.fullmatch(other.name) is not None
        if not part or (other != path and is_left_out) or not other.is_file():
            del parts[other]
    return dict(sorted(parts.items())) if path in parts and is_split(parts) else {}


def is_split(parts: Mapping[Any, str]) -> bool:
    """Return whether one part is for training and one is not."""
    return "train" in parts.values() and len(set(parts.values())) > 1


def is_empty(table: Table) -> bool:
    """Return whether a table is only a header."""
    return not table.rows and not table.faults


def join_parts(table: Table, root: Path, ignore: Sequence[str] = ()) -> tuple[Table, list[str]]:
    """Join a table with the other parts of its split that have the same columns, and say so.

    The table itself where it has a column of splits or no line, or where not one part is for
    training and one is not.

    Args:
        table: The table.
        root: The folder of the images; tables of other folders have to be in it.
        ignore: Patterns of tables that are left out.

    Raises:
        DataError: Another part is not a table.
    """
    has_split = any(compact(column) in COLUMNS["split"] for column in table.columns)
    if has_split or is_empty(table):
        return table, []
    rows: list[TableRow] = []
    faults: list[str] = []
    part_of: dict[str, str] = {}  # of the tables that are joined
    parts = parts_of_split(table.path, ignore)
    folders = {path.parent for path in parts}
    for path, part in sorted(parts.items()):
        if len(folders) > 1 and not path.resolve().is_relative_to(root.resolve()):
            continue
        other = table if path == table.path else read_table(path)
        if set(other.columns) != set(table.columns) or is_empty(other):
            continue
        name = f"{path.parent.name}/{path.name}" if len(folders) > 1 else path.name
        for row in other.rows:
            cells = {**row.cells, SPLIT_COLUMN: part}
            rows.append(replace(row, cells=cells, file=name))
        faults += [f"{name}: {fault}" for fault in other.faults]
        part_of[name] = part
    if not is_split(part_of):
        return table, []
    note = (
        f"Tables read as one, with their names as the split: {first_names(list(part_of))}. To "
        "leave one out, use ignore with its name (--ignore NAME)."
    )
    joined = Table(
        path=table.path,
        columns=(*table.columns, SPLIT_COLUMN),
        rows=tuple(rows),
        faults=tuple(faults),
    )
    return joined, [note]


def pattern_and_part(name: str) -> tuple[str, str]:
    """Return a name with "*" for the word of a part of a split, and that part.

    Example:
        >>> pattern_and_part("Labels-Valid"), pattern_and_part("films")
        (('labels_*', 'validation'), ('films', ''))
    """
    words = words_of(name).split("_")
    part = ""
    for i, word in enumerate(words):
        if not part and split_of(word):
            part, words[i] = split_of(word), "*"
    return "_".join(words), part

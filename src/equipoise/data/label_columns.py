"""Columns of labels that do not hold one class for each image: several findings, numbers, codes."""

import re
import shlex
from collections import Counter
from collections.abc import Collection, Sequence

from equipoise.data.csv_table import Table
from equipoise.data.images.listing import first_few
from equipoise.data.positive_class import sounds_healthy
from equipoise.data.spelling import is_missing

MOST_NUMBERS = 10  # classes that are numbers; more of them with few images each are measurements
FEW = 10  # images
CODES = frozenset({77.0, 88.0, 99.0, 777.0, 888.0, 999.0, 9999.0})  # of statistics programs
CODE_RATIO = 4  # how many times the largest of the other numbers a code is at least
FLAG = re.compile(r"-?[01]([.,]0*)?|true|false|", re.IGNORECASE)
TRUE = frozenset(("1", "true", "yes", "y", "t", "positive", "pos", "+", "present"))
FALSE = frozenset(("0", "false", "no", "n", "f", "negative", "neg", "-", "absent"))
SET = re.compile(r"1([.,]0*)?|true", re.IGNORECASE)


def label_faults(table: Table, column: str) -> list[str]:
    """Return why the labels of a column are not classes, a sentence for each fault.

    Args:
        table: The table.
        column: The column.

    Example:
        >>> from pathlib import Path
        >>> from equipoise.data.csv_table import TableRow
        >>> labels = enumerate(("mass", "mass|effusion", "normal"))
        >>> rows = tuple(TableRow(line=n, cells={"finding": label}) for n, label in labels)
        >>> table = Table(path=Path("t.csv"), columns=("finding",), rows=rows)
        >>> (fault,) = label_faults(table, "finding")
        >>> fault[:67]
        "labels of several classes in column 'finding': 'mass|effusion' (1)."
    """
    counts = Counter(label for label in table.cells(column) if not is_missing(label))
    faults: list[str] = []
    combined = combinations(counts)
    if combined:
        names = sorted(combined, key=lambda name: (-counts[name], name))
        fault = (
            f"labels of several classes in column '{column}': {_counted(names, counts)}. Each "
            "image has to be of one class: add a column that answers one question (such as "
            "'mass' or 'no mass'), and name it with label_column (--label-column)."
        )
        faults.append(f"{fault} {columns_of_flags(table, (column,))}".rstrip())
    faults += truth_faults(column, counts)
    codes = codes_among(counts)
    if codes:
        faults.append(
            f"numbers in column '{column}' that seem to mean uncertain or missing, not a class: "
            f"{_counted(codes, counts)}. Give these images another label, remove their lines, or "
            "write a word if it is a class."
        )
    elif are_measurements(counts):
        faults.append(
            f"{len(counts):,} different numbers in column '{column}', which seem to be "
            "measurements, not classes. Name another column with label_column (--label-column), "
            "or add one that divides them into a few classes."
        )
    return faults


def truth_faults(column: str, counts: Counter[str]) -> list[str]:
    """Return a fault for each truth value that is written in several ways: 1 beside TRUE.

    Labels that are not all truth values may be anything.

    Example:
        >>> len(truth_faults("ill", Counter(["TRUE", "1", "0"])))
        1
        >>> truth_faults("grade", Counter(["1", "t", "II"]))
        []
    """
    of_value: dict[bool, list[str]] = {True: [], False: []}
    for name in counts:
        word = re.sub(r"(?<=\d)[.,]0*$", "", name.casefold())
        if word not in TRUE and word not in FALSE:
            return []
        of_value[word in TRUE].append(name)
    faults = []
    for names in of_value.values():
        if len({re.sub(r"[.,]0*$", "", name.casefold()) for name in names}) > 1:
            faults.append(
                f"one truth value in several forms in column '{column}': "
                f"{_counted(names, counts)}. Write it alike everywhere."
            )
    return faults


def combinations(names: Collection[str]) -> list[str]:
    """Return the labels that combine others.

    Parts are between "|" or ";", or between commas if the label is a list or each part is a label
    too ("carcinoma, NOS" is one class).

    Example:
        >>> combinations(["A", "B", "A|B", "carcinoma, NOS", "adenoma, NOS", "['C', 'D']"])
        ['A|B', "['C', 'D']"]
    """
    parts_of = {name: _parts(name) for name in names}
    single = {parts[0] for parts in parts_of.values() if len(parts) == 1}
    n_times = Counter(part for parts in parts_of.values() for part in set(parts))
    combined = []
    for name, parts in parts_of.items():
        if len(parts) == 1:
            continue
        is_list = name.startswith(("[", "{", "("))
        if "|" in name or ";" in name:
            is_combination = any(n_times[part] > 1 for part in parts)
        else:
            is_combination = is_list or single.issuperset(parts)
        if is_combination:
            combined.append(name)
    return combined


def codes_among(names: Collection[str]) -> list[str]:
    """Return the numbers that are no classes among others: -1 beside 0 and 1, or 99 beside 1 to 4.

    Example:
        >>> codes_among(["-1", "0", "1"]), codes_among(["-1", "1"]), codes_among(["1", "2", "99"])
        (['-1'], [], ['99'])
    """
    numbers = _numbers(names)
    negative = [name for name, value in numbers.items() if value < 0]
    if len(negative) == 1 and len(numbers) > 2:
        return negative
    largest = max((value for value in numbers.values() if value not in CODES), default=0.0)
    codes = []
    for name, value in numbers.items():
        if value in CODES and value > CODE_RATIO * max(largest, 1.0):
            codes.append(name)
    return codes if len(codes) < len(numbers) else []


def are_measurements(counts: Counter[str]) -> bool:
    """Return whether the labels are many different numbers with few images each."""
    n_numbers = len(_numbers(counts))
    return n_numbers > MOST_NUMBERS and counts.total() < FEW * n_numbers


def flag_columns(table: Table, taken: Collection[str | None] = ()) -> list[str]:
    """Return the columns of 0 and 1, of true and false, or of 1 and nothing.

    Args:
        table: The table.
        taken: Columns with a role.
    """
    columns = []
    for column in table.columns:
        cells = table.cells(column)
        are_flags = any(map(SET.fullmatch, cells)) and all(map(FLAG.fullmatch, cells))
        if column not in taken and are_flags:
            columns.append(column)
    return columns


def labels_of_flags(table: Table, taken: Collection[str] = ()) -> list[str]:
    """Return the column of flags that is 1 in each row; empty unless each row has exactly one.

    Args:
        table: The table.
        taken: Columns that are no classes.

    Example:
        >>> from pathlib import Path
        >>> from equipoise.data.csv_table import TableRow
        >>> cells = ({"mass": "1.0", "nevus": "0.0"}, {"mass": "0.0", "nevus": "1.0"})
        >>> rows = tuple(TableRow(line=n, cells=row) for n, row in enumerate(cells))
        >>> labels_of_flags(Table(path=Path("t.csv"), columns=("mass", "nevus"), rows=rows))
        ['mass', 'nevus']
    """
    columns = flag_columns(table, taken)
    labels = []
    for row in table.rows:
        flagged = [column for column in columns if SET.fullmatch(row.cells[column])]
        if len(columns) < 2 or len(flagged) != 1:
            return []
        labels += flagged
    return labels


def columns_of_flags(table: Table, taken: Collection[str | None]) -> str:
    """Return what to do where each finding has a column of 0 and 1; "" without such columns.

    Args:
        table: A table without a column of labels.
        taken: Columns with a role.
    """
    columns = flag_columns(table, taken)
    if len(columns) < 2:
        return ""
    listed = first_few(columns)
    findings = [column for column in columns if not sounds_healthy(column)]
    example = shlex.quote((findings or columns)[0])
    unclear = []
    for column in columns:
        cells = table.cells(column)
        n_unclear = sum(is_missing(cell) or cell.startswith("-") for cell in cells)
        if n_unclear:
            unclear.append(f"{column} ({n_unclear:,} of {len(cells):,})")
    fill = ""
    if unclear:
        fill = (
            f" Lines that are empty or negative there are refused: {first_few(unclear)}. Write 0 "
            "or 1 in them, or remove them."
        )
    return (
        f"The columns {listed} are 0 or 1, one for each finding: name the one to compare with "
        f"label_column (such as --label-column {example}), or add a column 'label' with one class "
        f"for each image.{fill}"
    )


def _parts(name: str) -> list[str]:
    """Return the parts of a label between the first kind of separator that it has."""
    inner = name.strip("[](){} ")
    for separator in "|;,":
        parts = [part.strip(" '\"") for part in inner.split(separator)]
        parts = list(filter(None, parts))
        if len(parts) > 1:
            return parts
    return [inner.strip(" '\"") or name]


def _numbers(names: Collection[str]) -> dict[str, float]:
    """Return name -> number, empty if a name is not one."""
    numbers = {}
    for name in names:
        if not re.fullmatch(r"[-+]?\d+([.,]\d*)?", name):
            return {}
        numbers[name] = float(name.replace(",", "."))
    return numbers


def _counted(names: Sequence[str], counts: Counter[str]) -> str:
    """Return "'A|B' (4), 'C|D' (2) and 3 more"."""
    return first_few([f"{name!r} ({counts[name]:,})" for name in names], 3)

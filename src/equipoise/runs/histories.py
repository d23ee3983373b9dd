"""`history.csv`: what the fits of a cell recorded while they were trained."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

HistoryRow = tuple[str, int, str, float]  # stage, step, name, value
History = Mapping[tuple[str, str], Sequence[tuple[float, float]]]  # (stage, name): (step, value)

HEADER = ("stage", "step", "name", "value")


def write_history(path: Path, rows: Iterable[HistoryRow]) -> None:
    """Write one line for each recorded value."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(rows)


def read_history(path: Path) -> History:
    """Read the curves that `write_history` wrote, by stage and name."""
    curves: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            curves[row["stage"], row["name"]].append((float(row["step"]), float(row["value"])))
    return dict(curves)

"""`Outcome`: what training a cell yields, as `RunStore.write` stores it, and its `history.csv`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from equipoise.atomic import reading
from equipoise.csv_cells import read_lines, write_lines
from equipoise.data.dataset import ImageDataset
from equipoise.runs.cell_record import ImageCellRecord, VolumeCellRecord

HistoryRow = tuple[str, int, str, float]  # stage, step, name, value
History = Mapping[tuple[str, str], Sequence[tuple[float, float]]]  # (stage, name): (step, value)
Writer = Callable[[Path], None]  # writes a file or a folder


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What training a cell yields.

    Attributes:
        record: What the cell was trained on and what it took.
        predictions: Arrays of predictions.npz.
        history: What the fits recorded, in order.
        files: Name inside the cell's folder -> what writes it: the fitted classifier or segmenter,
            tables.
        synthetic: Some of the synthetic images; None where the method generates none.
    """

    record: ImageCellRecord | VolumeCellRecord
    predictions: dict[str, NDArray[Any]]
    history: list[HistoryRow]
    files: Mapping[str, Writer] = field(default_factory=dict)
    synthetic: ImageDataset | None = None


def write_history(path: Path, rows: Iterable[HistoryRow]) -> None:
    """Write one line for each recorded value."""
    with path.open("w", newline="", encoding="utf-8") as file:
        write_lines(file, (("stage", "step", "name", "value"), *rows))


def read_history(path: Path) -> History:
    """Read the curves that `write_history` wrote, by stage and name.

    Raises:
        DamagedFileError: The file is damaged.
    """
    curves: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    with reading(path), path.open(newline="", encoding="utf-8") as file:
        for row in read_lines(file):
            curves[row["stage"], row["name"]].append((float(row["step"]), float(row["value"])))
    return dict(curves)

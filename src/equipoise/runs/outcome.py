"""`Outcome`: what training a cell yields, as `RunStore.write` stores it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from equipoise.data.dataset import ImageDataset
from equipoise.runs.cell_record import ImageCellRecord, VolumeCellRecord

HistoryRow = tuple[str, int, str, float]  # stage, step, name, value
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

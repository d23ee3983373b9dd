"""Read what a study of volumes left on disk: the test cases of all folds, method by method and seed by seed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.runs.case_measures import Measures, join, read_measures
from equipoise.runs.cell import Cell
from equipoise.runs.image_run import Failure, asked_cells, read_asked, read_record


@dataclass(frozen=True, kw_only=True)
class SegmentedCell:
    """A finished cell: what was measured on its test cases, and what it cost."""

    cell: Cell
    measures: Measures
    seconds: dict[str, float]
    peak_memory_mb: float


@dataclass(frozen=True, kw_only=True)
class StoredVolumes:
    """The folder of a study of volumes, finished or not; `asked` is `study.json`."""

    asked: dict[str, Any]
    cells: tuple[Cell, ...]
    finished: tuple[SegmentedCell, ...]
    failures: tuple[Failure, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in the asked order."""
        return tuple(method["name"] for method in self.asked["methods"])

    def of(self, method: str) -> list[SegmentedCell]:
        """List the finished cells of a method."""
        return [one for one in self.finished if one.cell.method == method]

    def seeds(self, method: str) -> dict[int, Measures]:
        """Join, for each seed of a method, the test cases of its finished folds."""
        cells = self.of(method)
        seeds = sorted({one.cell.seed for one in cells})
        return {
            seed: join([one.measures for one in cells if one.cell.seed == seed]) for seed in seeds
        }


def read_volume_study(folder: Path) -> StoredVolumes:
    """Read the folder of a study of volumes.

    Raises:
        DataError: No run folder.
    """
    asked = read_asked(folder)
    cells = tuple(asked_cells(asked))
    records = {cell: record for cell in cells if (record := read_record(folder, cell)) is not None}
    return StoredVolumes(
        asked=asked,
        cells=cells,
        finished=tuple(
            _finished(folder, cell, r) for cell, r in records.items() if r["status"] == "done"
        ),
        failures=tuple(
            Failure(method=cell.method, split=cell.split, seed=cell.seed, error=record["error"])
            for cell, record in records.items()
            if record["status"] == "failed"
        ),
    )


def _finished(folder: Path, cell: Cell, record: dict[str, Any]) -> SegmentedCell:
    return SegmentedCell(
        cell=cell,
        measures=read_measures(folder / "cells" / cell.folder / "measures.csv"),
        seconds={stage: float(value) for stage, value in record["seconds"].items()},
        peak_memory_mb=float(record["peak_memory_mb"]),
    )

"""`open_run`: the one reader of a run folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from equipoise.arrays import Images, Labels
from equipoise.atomic import read_arrays, read_json, reading
from equipoise.checksums import DamageReport, check_file
from equipoise.data.scratch import ScratchArrays
from equipoise.exceptions import DataError
from equipoise.image_rows import most_copied
from equipoise.runs.case_measures import read_measures
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import (
    FailedCellRecord,
    FinishedCellRecord,
    TriedCellRecord,
    read_cell_record,
)
from equipoise.runs.containment import check_links, read_description
from equipoise.runs.description import StudyDescription
from equipoise.runs.duplicate_pairs import DuplicatePairs
from equipoise.runs.image_run import FinishedCell, ImageRun
from equipoise.runs.outcome import History, read_history
from equipoise.runs.volume_run import SegmentedCell, VolumeRun


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredImages:
    """Some images of a run.

    Attributes:
        images: (n, channels, height, width) in their storage type.
        labels: (n,) class of each image.
        origin: Where they are from, for captions.
    """

    images: Images
    labels: Labels
    origin: str

    def of_class(self, label: int) -> Images:
        """Return the images of one class, in stored order."""
        return np.asarray(self.images[self.labels == label])


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """The folder of a run, finished or not; what is large is read on first use and only once.

    Attributes:
        folder: Where the run is stored.
        description: What was requested.
        cells: All requested cells, method by method, split by split, seed by seed.
        records: The records of the cells that were tried, in the order of `cells`.

    See Also:
        `equipoise.runs.store.RunStore`, which writes the folder.
    """

    folder: Path
    description: StudyDescription
    cells: tuple[Cell, ...]
    records: Mapping[Cell, TriedCellRecord]

    def __repr__(self) -> str:
        """Return the folder and how many cells have finished, short enough for a notebook."""
        return f"Run({self.folder}: {len(self.finished)} of {len(self.cells)} cells finished)"

    @property
    def workspace(self) -> Path:
        """Folder of checkpoints, finished fits and cached features."""
        return self.folder / "workspace"

    def path(self, cell: Cell) -> Path:
        """Return the folder of a cell."""
        return self.folder / "cells" / cell.folder

    @cached_property
    def finished(self) -> tuple[FinishedCellRecord, ...]:
        """The records of the finished cells."""
        return tuple(r for r in self.records.values() if isinstance(r, FinishedCellRecord))

    @cached_property
    def failed(self) -> tuple[FailedCellRecord, ...]:
        """The records of the failed cells, method by method in the order of training."""
        records = map(self.records.__getitem__, self._seed_by_seed)
        return tuple(record for record in records if isinstance(record, FailedCellRecord))

    @cached_property
    def _seed_by_seed(self) -> list[Cell]:
        """The tried cells of each method in the order of training: seed by seed, split by split."""
        methods = self.description.method_names
        return sorted(self.records, key=lambda cell: (methods.index(cell.method), cell.seed))

    def finished_of(self, method: str) -> list[FinishedCellRecord]:
        """Return the records of the finished cells of a method."""
        return [record for record in self.finished if record.cell.method == method]

    def failed_of(self, method: str) -> list[FailedCellRecord]:
        """Return the records of the failed cells of a method."""
        return [record for record in self.failed if record.cell.method == method]

    @property
    def n_missing(self) -> int:
        """Number of requested cells that neither finished nor failed yet."""
        return len(self.cells) - len(self.records)

    def require_finished(self, method: str | None = None) -> list[Cell]:
        """Return the finished cells, of one method or of all.

        Raises:
            DataError: There are none; names the first failure, if any.
        """
        records = self.finished if method is None else self.finished_of(method)
        if records:
            return [record.cell for record in records]
        whose = "" if method is None else f" of {method}"
        failed = self.failed if method is None else self.failed_of(method)
        why = ""
        if failed:
            cells = f"{len(failed)} cell{'s' * (len(failed) > 1)}"
            error = failed[0].error.strip().partition("\n")[0].rstrip(".")
            why = f": {cells} failed ({failed[0].cell}: {error})"
        raise DataError(
            f"Expected a finished cell{whose} in {self.folder}, got none{why}. Repeat the command "
            "that started the run, which trains what is missing or failed."
        )

    @cached_property
    def images(self) -> ImageRun:
        """The predictions of a study of images; many bytes (`most_copied`) lie in temporary files.

        Raises:
            DataError: The run is on volumes, or the cells of a split were tested on different
                images.
            DamagedFileError: Predictions are damaged; names all.
            SettingError: There is no room for large ones.
        """
        self.description.images  # noqa: B018 (raises where the run is on volumes)
        finished = []
        first_of_split: dict[str, FinishedCell] = {}
        damage, scratch = DamageReport(), ScratchArrays()
        for record in self.finished:
            path = self.path(record.cell) / "predictions.npz"
            with damage.attempt(), reading(path):
                cell = FinishedCell.from_arrays(
                    record.cell,
                    read_arrays(path),
                    rare_class=self.description.rare_class,
                    first=first_of_split.get(record.cell.split),
                )
                if len(self.finished) * cell.n_score_bytes > most_copied():
                    cell = cell.with_scores_in(scratch.moved)
                first_of_split.setdefault(record.cell.split, cell)
                finished.append(cell)
        damage.raise_all()
        adding = dict.fromkeys(cell.method for cell in self.cells_with_synthetic)
        run = ImageRun(description=self.description, finished=tuple(finished), adding=tuple(adding))
        run.check_paired()
        return run

    @cached_property
    def volumes(self) -> VolumeRun:
        """The measures of a study of volumes.

        Raises:
            DataError: The run is on images.
            DamagedFileError: Measures are damaged; names all.
        """
        self.description.volumes  # noqa: B018 (raises where the run is on images)
        finished = []
        damage = DamageReport()
        for record in self.finished:
            with damage.attempt():
                measures = read_measures(self.path(record.cell) / "measures.csv")
                finished.append(SegmentedCell(cell=record.cell, measures=measures))
        damage.raise_all()
        return VolumeRun(description=self.description, finished=tuple(finished))

    @cached_property
    def histories(self) -> Mapping[Cell, History]:
        """What the fits of each tried cell recorded while they were trained."""
        histories = {}
        for cell in self._seed_by_seed:
            path = self.path(cell) / "history.csv"
            if path.is_file():
                histories[cell] = read_history(path)
        return histories

    @cached_property
    def duplicates(self) -> DuplicatePairs | None:
        """The pairs of duplicate images; None where the images were not scanned."""
        path = self.folder / "duplicates.json"
        check_file(path)
        if not path.is_file():
            return None
        with reading(path):
            return DuplicatePairs.from_json(read_json(path))

    @cached_property
    def examples(self) -> StoredImages | None:
        """Real training images of the first split; None where none were stored."""
        path = self.folder / "examples.npz"
        check_file(path)
        return _read_images(path, "training images of the first split") if path.is_file() else None

    @cached_property
    def conflicts(self) -> StoredImages | None:
        """The first pairs of copies with different labels, in pairs; None where there are none."""
        path = self.folder / "conflicts.npz"
        check_file(path)
        return _read_images(path, "copies with different labels") if path.is_file() else None

    @cached_property
    def cells_with_synthetic(self) -> tuple[Cell, ...]:
        """The finished cells that kept synthetic images."""
        cells = []
        for record in self.finished:
            if (self.path(record.cell) / "synthetic.npz").is_file():
                cells.append(record.cell)
        return tuple(cells)

    @cached_property
    def synthetic(self) -> Mapping[str, StoredImages]:
        """Synthetic images of the first cell of each method that kept some."""
        first: dict[str, StoredImages] = {}
        for cell in self._seed_by_seed:
            if cell in self.cells_with_synthetic and cell.method not in first:
                origin = f"{cell.split}, seed {cell.seed}"
                first[cell.method] = _read_images(self.path(cell) / "synthetic.npz", origin)
        return first


def open_run(folder: str | Path) -> Run:
    """Open the folder of a run, finished or not.

    Reading needs no lock: a cell's folder appears complete or not at all.

    Raises:
        DataError: The folder holds no run, or links that lead out of it.
        DamagedFileError: Its description or records are damaged; names all damaged records.
    """
    folder = Path(folder)
    check_links(folder)
    description = read_description(folder)
    cells = requested_cells(description)
    records: dict[Cell, TriedCellRecord] = {}
    damage = DamageReport()
    for cell in cells:
        path = folder / "cells" / cell.folder / "record.json"
        with damage.attempt():
            check_file(path)
            if path.is_file():
                records[cell] = read_cell_record(path)
    damage.raise_all()
    return Run(folder=folder, description=description, cells=cells, records=records)


def requested_cells(description: StudyDescription) -> tuple[Cell, ...]:
    """Return all requested cells, method by method, split by split, seed by seed."""
    cells = []
    for method in description.method_names:
        n_splits = description.split_limits.get(method, len(description.splits))
        for split in description.splits[:n_splits]:
            for seed in description.seeds:
                cells.append(Cell(method, split.name, seed))
    return tuple(cells)


def _read_images(path: Path, origin: str) -> StoredImages:
    with reading(path):
        arrays = read_arrays(path)
        return StoredImages(images=arrays["images"], labels=arrays["labels"], origin=origin)

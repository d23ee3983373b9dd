"""`RunStore`: write a run into its folder, so that a kill never leaves half a file or cell."""

import shutil
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from equipoise.arrays import Rows
from equipoise.atomic import (
    PRIVATE_FILE,
    JsonObject,
    atomic_file,
    atomic_folder,
    make_folder,
    read_json,
    reading,
    write_json,
)
from equipoise.checksums import (
    FOLDER_FILE,
    TEMPORARY,
    DamageReport,
    check_file,
    check_folder,
    check_present,
    listed_files,
)
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import Split, save_splits
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.exceptions import DataError, SettingError
from equipoise.runs.cell import Cell
from equipoise.runs.cell_record import RECORD, FailedCellRecord, TriedCellRecord, read_cell_record
from equipoise.runs.containment import check_links, read_description
from equipoise.runs.continuation import merge_descriptions
from equipoise.runs.description import StudyDescription
from equipoise.runs.duplicate_pairs import DuplicatePairs, Pair
from equipoise.runs.known_images import save_pixel_hashes
from equipoise.runs.outcome import Outcome, write_history
from equipoise.runs.package import pack, unpack
from equipoise.runs.stage_seconds import read_stage_seconds
from equipoise.runs.stored_splits import load_described_splits

EXAMPLES_PER_CLASS = 8
MOST_CONFLICTS = 12  # pairs of copies with different labels whose images are stored
# What all cells share.
SHARED_FILES = (
    "study.json", "splits.json", "pixels.json", "duplicates.json", "conflicts.npz", "examples.npz",
)  # fmt: skip


class RunStore:
    """Write and read the folder of a run; docs/architecture.md lists its files.

    A writer holds `lock` while it calls `open` once and then, for each cell, `write` or
    `write_failure`. Reading needs no lock, nor does `check`, which fails early if the study cannot
    run in this folder.

    Args:
        folder: Folder of the run; `check` and `lock` create it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = RunStore(folder)
        ...     with store.lock():
        ...         finished = store.has_finished(Cell("none", "split-0", 0))
        >>> finished
        False

    See Also:
        `equipoise.runs.run.open_run`: Reads all that a folder contains.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    @property
    def workspace(self) -> Path:
        """Folder of checkpoints and finished fits, named by a hash of their settings and data."""
        return self.folder / "workspace"

    def cell_folder(self, cell: Cell) -> Path:
        """Return the folder of a cell."""
        return self.folder / "cells" / cell.folder

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock that keeps other processes from writing into the folder.

        If the process dies, the operating system releases it.

        Raises:
            SettingError: Another process holds the lock, or the folder cannot be written.
            DataError: Links lead out of the folder, where something else would be written.
        """
        make_folder(self.folder)
        check_links(self.folder)
        try:
            with FileLock(self.folder / ".lock", timeout=0, mode=PRIVATE_FILE):
                yield
        except Timeout as error:
            raise SettingError(
                f"Another process writes into {self.folder}. Wait for it, stop it, or name another "
                "one with --out."
            ) from error

    def check(self, description: StudyDescription) -> None:
        """Check that the folder is writable and that the study can continue a run in it.

        Args:
            description: The study to run.

        Raises:
            SettingError: The folder is not writable.
            StaleRunError: The folder contains results made with other settings; names the
                differences.
            DataError: Links lead out of the folder.
            DamagedFileError: Files of the run are damaged that are not written again; names all.
        """
        make_folder(self.folder)
        check_links(self.folder)
        damage = DamageReport()
        with damage.attempt():
            check_file(self.description_path)
            if self.description_path.is_file():
                merge_descriptions(self.description(), description, self.folder)
        with damage.attempt():
            read_stage_seconds(self.folder)
        for cell_folder in sorted(self.folder.glob("cells/*/*/*")):
            if cell_folder.name.startswith("."):  # what a killed worker was writing
                continue
            if (cell_folder / RECORD).is_file() or (cell_folder / FOLDER_FILE).is_file():
                _check_cell(cell_folder, damage)
        damage.raise_all()

    def open(
        self,
        description: StudyDescription,
        *,
        dataset: ImageDataset | VolumeDataset,
        splits: Sequence[Split],
        duplicates: JsonObject | None = None,
    ) -> None:
        """Store what all cells share, the `SHARED_FILES`.

        If the folder contains a run, its methods, splits and seeds are kept and new ones added.
        Temporary files of a killed process are removed.

        Args:
            description: The study.
            dataset: Its images or volumes; some images are stored as examples.
            splits: Its splits.
            duplicates: Contents of duplicates.json: pairs of copies; None if they were not searched
                for.

        Raises:
            StaleRunError: The folder contains results made with other settings; names the
                differences.
        """
        all_splits = list(splits)
        if self.description_path.is_file():
            description = merge_descriptions(self.description(), description, self.folder)
            new_names = {split.name for split in splits}
            others = {split.name for split in description.splits} - new_names
            stored = self._read_splits(dataset, description, others) if others else ()
            all_splits = [split for split in stored if split.name in others] + all_splits
        self._remove_temporary_files()
        save_splits(self.folder / "splits.json", all_splits, dataset)
        if isinstance(dataset, ImageDataset):
            save_pixel_hashes(self.folder, dataset)
        if duplicates is not None:
            write_json(self.folder / "duplicates.json", duplicates, checksum=True)
            conflicting = DuplicatePairs.from_json(duplicates).conflicting
            if isinstance(dataset, ImageDataset) and conflicting:
                self._save_conflicts(dataset, conflicting)
        if isinstance(dataset, ImageDataset):
            self._save_examples(dataset, splits[0].train)
        # Written last: a folder with study.json has the other files too.
        write_json(self.description_path, description.to_json(), checksum=True)

    @property
    def description_path(self) -> Path:
        """Path of study.json, the description of the run."""
        return self.folder / "study.json"

    def description(self) -> StudyDescription:
        """Read study.json: the methods, splits, seeds and data of the run.

        Raises:
            DataError: The folder contains no run, or its description cannot be read.
        """
        return read_description(self.folder)

    def has_finished(self, cell: Cell) -> bool:
        """Return whether the cell was trained and stored."""
        return self._status(cell) == "done"

    def has_failed(self, cell: Cell) -> bool:
        """Return whether the last attempt to train the cell raised an error."""
        return self._status(cell) == "failed"

    def record(self, cell: Cell) -> TriedCellRecord:
        """Read record.json of a finished or failed cell.

        Raises:
            DataError: The record cannot be read.
        """
        return read_cell_record(self.cell_folder(cell) / RECORD)

    def write(self, cell: Cell, outcome: Outcome) -> None:
        """Store a finished cell: its folder appears complete or not at all."""
        with atomic_folder(self.cell_folder(cell)) as folder:
            _save_arrays(folder / "predictions.npz", **outcome.predictions)
            write_history(folder / "history.csv", outcome.history)
            synthetic = outcome.synthetic
            if synthetic is not None:
                path = folder / "synthetic.npz"
                _save_arrays(path, images=synthetic.images, labels=synthetic.labels)
            for name, write in outcome.files.items():
                write(folder / name)
            write_json(folder / RECORD, outcome.record.to_json())

    def package(self, cell: Cell) -> bytes:
        """Return the folder of a finished or failed cell as bytes, for `accept` elsewhere."""
        return pack(self.cell_folder(cell))

    def accept(self, cell: Cell, package: bytes) -> None:
        """Store a cell that came from another machine: all of its folder or nothing.

        Raises:
            DamagedFileError: The package is damaged.
        """
        with atomic_folder(self.cell_folder(cell)) as folder:
            unpack(package, folder)
            check_folder(folder)

    def write_failure(self, record: FailedCellRecord) -> None:
        """Store the record of a failed cell in place of what its folder contains."""
        with atomic_folder(self.cell_folder(record.cell)) as folder:
            write_json(folder / RECORD, record.to_json())

    def _status(self, cell: Cell) -> str | None:
        path = self.cell_folder(cell) / RECORD
        check_present(path.parent)
        if not path.is_file():
            return None
        with reading(path):
            return str(read_json(path)["status"])

    def _read_splits(
        self,
        dataset: ImageDataset | VolumeDataset,
        description: StudyDescription,
        others: Set[str],
    ) -> tuple[Split, ...]:
        """Read the splits of the run, of which those named `others` were not requested now."""
        described = [split for split in description.splits if split.name in others]
        try:
            return load_described_splits(self.folder, dataset, described)
        except DataError as error:
            raise DataError(
                f"{error} It also has the splits {', '.join(sorted(others))}, which were not "
                "requested now: request all splits at once, and the file is written again."
            ) from error

    def _remove_temporary_files(self) -> None:
        """Remove the hidden files of a killed process; under the lock, no live one has any."""
        for path in list(self.folder.rglob(TEMPORARY)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _save_examples(self, dataset: ImageDataset, train: Rows) -> None:
        """Store a few training images of each class."""
        rows = []
        for label in np.unique(dataset.labels):
            of_class = train[dataset.labels[train] == label]
            rows.append(of_class[:EXAMPLES_PER_CLASS])
        self._save_images("examples.npz", dataset.subset(np.concatenate(rows)))

    def _save_conflicts(self, dataset: ImageDataset, pairs: Sequence[Pair]) -> None:
        """Store the images of the first pairs of copies with different labels, side by side."""
        row_of = {name: row for row, name in enumerate(dataset.ids.tolist())}
        rows = [row_of[name] for pair in pairs[:MOST_CONFLICTS] for name in pair]
        self._save_images("conflicts.npz", dataset.subset(np.array(rows)))

    def _save_images(self, name: str, examples: ImageDataset) -> None:
        """Store some images of the dataset with their labels and ids."""
        path = self.folder / name
        with atomic_file(path, checksum=True) as temporary, temporary.open("wb") as file:
            ids = examples.ids.astype(str)
            _save_arrays(file, images=examples.images, labels=examples.labels, ids=ids)


def _check_cell(folder: Path, damage: DamageReport) -> None:
    """Check the files of a cell but the weights, which are checked when they are needed."""
    with damage.attempt():
        read_cell_record(folder / RECORD)
    with damage.attempt():
        for name in listed_files(folder):
            if "/" not in name:
                with damage.attempt():
                    check_file(folder / name)


def _save_arrays(file: Any, **arrays: Any) -> None:
    """Write arrays as npz; NumPy stores no time, so equal arrays give equal bytes."""
    np.savez_compressed(file, **arrays)

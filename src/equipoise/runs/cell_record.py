"""The records of finished and of failed cells, as `record.json` stores them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from equipoise.atomic import JsonFields, JsonObject, JsonValue, read_json, reading
from equipoise.checksums import check_present, damaged
from equipoise.runs.cell import Cell
from equipoise.runs.description import StepDescription

RECORD = "record.json"  # in the folder of a cell


@dataclass(frozen=True, kw_only=True)
class CellRecord:
    """What every tried cell was trained on: data, settings, versions, machine.

    Attributes:
        cell: Method, split and seed.
        steps: The steps of the method with the seeds of this cell.
        fingerprint: Hash of data, split, settings and versions.
        versions: {library: version}.
        machine: System, processor, cores, memory in GB and version of Python.
        threads: Number of threads that computed.
    """

    cell: Cell
    steps: tuple[StepDescription, ...]
    fingerprint: str
    versions: Mapping[str, str]
    machine: JsonObject
    threads: int

    def _conditions(self) -> dict[str, JsonValue]:
        return {
            "method": self.cell.method,
            "split": self.cell.split,
            "seed": self.cell.seed,
            "settings": [step.to_json() for step in self.steps],
            "fingerprint": self.fingerprint,
            "versions": dict(self.versions),
            "machine": dict(self.machine),
            "threads": self.threads,
        }


@dataclass(frozen=True, kw_only=True)
class FailedCellRecord(CellRecord):
    """A cell that could not be finished.

    Attributes:
        error: The message.
        error_type: Name of the exception's class, or "WorkerDied".
        traceback: The traceback; None where no exception was raised.
    """

    error: str
    error_type: str
    traceback: str | None = None

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the record from the content of `record.json`."""
        return cls(
            **_read_conditions(value),
            error=value["error"],
            error_type=value["error_type"],
            traceback=value["traceback"],
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the content of `record.json`."""
        return {
            **self._conditions(),
            "status": "failed",
            "error": self.error,
            "error_type": self.error_type,
            "traceback": self.traceback,
        }


@dataclass(frozen=True, kw_only=True)
class FinishedCellRecord(CellRecord):
    """A finished cell; `ImageCellRecord` and `VolumeCellRecord` add what their task has.

    Attributes:
        device: Name of the device that trained.
        seconds: {stage: duration}.
        resumed: Whether an earlier process trained a part; its seconds are not counted.
        peak_memory_mb: Largest memory of the process, in MB of 2^20 bytes.
        peak_device_memory_mb: Largest memory of the GPU; None without one.
        notes: What was noted while the cell was trained.
    """

    device: str
    seconds: Mapping[str, float]
    resumed: bool
    peak_memory_mb: float
    peak_device_memory_mb: float | None = None
    notes: tuple[str, ...] = ()

    @staticmethod
    def from_json(value: JsonFields) -> "ImageCellRecord | VolumeCellRecord":
        """Build the record of a study of images or of volumes from the content of `record.json`."""
        shared = {
            **_read_conditions(value),
            "device": value["device"],
            "seconds": {stage: float(seconds) for stage, seconds in value["seconds"].items()},
            "resumed": value["resumed"],
            "peak_memory_mb": float(value["peak_memory_mb"]),
            "peak_device_memory_mb": value["peak_device_memory_mb"],
            "notes": tuple(value.get("notes", ())),
        }
        if "voxels_before" in value:
            return VolumeCellRecord(
                **shared,
                voxels_before=tuple(value["voxels_before"]),
                tau=value.get("tau", 0.0),
            )
        diversity, curation = {}, {}
        for label, share in value.get("diversity", {}).items():
            diversity[int(label)] = share
        for label, filtered in value.get("curation", {}).items():
            curation[int(label)] = ClassCuration.from_json(filtered)
        return ImageCellRecord(
            **shared,
            counts_before=tuple(value["counts_before"]),
            counts_after=tuple(value["counts_after"]),
            diversity=diversity,
            curation=curation,
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the content of `record.json`."""
        return {
            **self._conditions(),
            "status": "done",
            "error": None,
            "error_type": None,
            "traceback": None,
            "device": self.device,
            "seconds": dict(self.seconds),
            "resumed": self.resumed,
            "peak_memory_mb": self.peak_memory_mb,
            "peak_device_memory_mb": self.peak_device_memory_mb,
        }


@dataclass(frozen=True)
class FilterCount:
    """How many synthetic images a filter was shown and how many of them it kept."""

    name: str
    n_shown: int
    n_kept: int


@dataclass(frozen=True, kw_only=True)
class ClassCuration:
    """What the filters did to the synthetic images of a class.

    Attributes:
        filters: The filters, in the order in which they were applied.
        n_filled: Dropped images that were used after all, because too few were kept.
    """

    filters: tuple[FilterCount, ...]
    n_filled: int

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the record from its JSON object."""
        filters = tuple(FilterCount(*counts) for counts in value["filters"])
        return cls(filters=filters, n_filled=value["filled"])

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object."""
        filters: list[JsonValue] = [[f.name, f.n_shown, f.n_kept] for f in self.filters]
        return {"filters": filters, "filled": self.n_filled}


@dataclass(frozen=True, kw_only=True)
class ImageCellRecord(FinishedCellRecord):
    """A finished cell of a study of images.

    Attributes:
        counts_before: Number of training images of each class.
        counts_after: The same after resampling.
        diversity: {class: pairwise distance of synthetic images as a share of that of real ones}.
        curation: {class: what filters did to its synthetic images}.
    """

    counts_before: tuple[int, ...]
    counts_after: tuple[int, ...]
    diversity: Mapping[int, float] = field(default_factory=dict)
    curation: Mapping[int, ClassCuration] = field(default_factory=dict)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the content of `record.json`."""
        diversity: dict[str, JsonValue] = {}
        curation: dict[str, JsonValue] = {}
        for label, share in self.diversity.items():
            diversity[str(label)] = share
        for label, filtered in self.curation.items():
            curation[str(label)] = filtered.to_json()
        return {
            **super().to_json(),
            "counts_before": list(self.counts_before),
            "counts_after": list(self.counts_after),
            "diversity": diversity,
            "curation": curation,
            **({"notes": list(self.notes)} if self.notes else {}),
        }


@dataclass(frozen=True, kw_only=True)
class VolumeCellRecord(FinishedCellRecord):
    """A finished cell of a study of volumes.

    Attributes:
        voxels_before: Number of training voxels of each class.
        tau: Strength of the prior correction; 0 without one.
    """

    voxels_before: tuple[int, ...]
    tau: float = 0.0

    def to_json(self) -> dict[str, JsonValue]:
        """Return the content of `record.json`."""
        return {
            **super().to_json(),
            "voxels_before": list(self.voxels_before),
            "tau": self.tau,
            "notes": list(self.notes),
        }


TriedCellRecord = FailedCellRecord | ImageCellRecord | VolumeCellRecord


def cell_record_from_json(value: JsonFields) -> TriedCellRecord:
    """Build the record of a finished or failed cell from the content of `record.json`.

    Raises:
        KeyError: A key is missing that every version has written.
    """
    if value["status"] == "done":
        return FinishedCellRecord.from_json(value)
    return FailedCellRecord.from_json(value)


def read_cell_record(path: Path) -> TriedCellRecord:
    """Read `record.json` of a finished or failed cell.

    Raises:
        DamagedFileError: It is damaged or of another cell, or another file of its cell is missing.
    """
    folder = path.parent
    check_present(folder)
    with reading(path):
        record = cell_record_from_json(read_json(path))
        place = record.cell.folder  # of names that are no text there is none
    if folder.parts[-3:] != place.parts:
        raise damaged(path, f"it is the record of another cell, {record.cell}")
    missing = [name for name in results_of(record) if not (folder / name).is_file()]
    if missing:  # where the folder has no checksums either
        raise damaged(folder / missing[0], "it is missing")
    return record


def results_of(record: TriedCellRecord) -> tuple[str, ...]:
    """Return the files without which a cell has no results."""
    if isinstance(record, VolumeCellRecord):
        return ("measures.csv",)
    return ("predictions.npz",) if isinstance(record, ImageCellRecord) else ()


def _read_conditions(value: JsonFields) -> dict[str, Any]:
    return {
        "cell": Cell(value["method"], value["split"], int(value["seed"])),
        "steps": tuple(map(StepDescription.from_json, value["settings"])),
        "fingerprint": value["fingerprint"],
        "versions": dict(value["versions"]),
        "machine": dict(value["machine"]),
        "threads": value["threads"],
    }

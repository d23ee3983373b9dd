"""`StudyDescription`: what was requested of a run, as `study.json` stores it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from equipoise.atomic import JsonFields, JsonObject, JsonValue
from equipoise.exceptions import DataError
from equipoise.runs.reading import Reading

CLASSIFICATION = "classification"
SEGMENTATION = "segmentation"
# How the notes of the readers begin where a source names no patients.
NO_PATIENTS = ("No patient ids were given", "No patients were named")
COINCIDENCE = "Class and file coincide"  # how the note on it begins


@dataclass(frozen=True, kw_only=True)
class StepDescription:
    """One step of a method: a resampler, a classifier or a segmenter.

    Attributes:
        name: Name of the step in its pipeline.
        class_name: Full name of its class, `module.Class`.
        settings: Every parameter as a JSON value.
    """

    name: str
    class_name: str
    settings: JsonObject = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the description from its JSON object."""
        return cls(name=value["name"], class_name=value["class"], settings=dict(value["settings"]))

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object."""
        return {"name": self.name, "class": self.class_name, "settings": dict(self.settings)}


@dataclass(frozen=True, kw_only=True)
class MethodDescription:
    """A method and its steps, in the order of its pipeline; the last one is the estimator."""

    name: str
    steps: tuple[StepDescription, ...] = ()

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the description from its JSON object."""
        return cls(name=value["name"], steps=tuple(map(StepDescription.from_json, value["steps"])))

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object."""
        return {"name": self.name, "steps": [step.to_json() for step in self.steps]}


@dataclass(frozen=True, kw_only=True)
class SplitDescription:
    """The size of a split, and the hash of its ids.

    Attributes:
        name: Name of the split.
        n_train: Number of training images (of volumes: cases).
        n_validation: Number of validation images.
        n_test: Number of test images.
        counts: {"train", "validation", "test": number of images (of volumes: voxels) of each
            class}.
        fingerprint: Hash of the ids of the three parts.
    """

    name: str
    n_train: int
    n_validation: int
    n_test: int
    counts: Mapping[str, tuple[int, ...]]
    fingerprint: str

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the description from its JSON object."""
        return cls(
            name=value["name"],
            n_train=value["train"],
            n_validation=value["validation"],
            n_test=value["test"],
            counts=_tuples(value["counts"]),
            fingerprint=value["fingerprint"],
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object."""
        return {
            "name": self.name,
            "train": self.n_train,
            "validation": self.n_validation,
            "test": self.n_test,
            "counts": _lists(self.counts),
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, kw_only=True)
class DatasetDescription:
    """What images and volumes have in common.

    Attributes:
        fingerprint: Hash of everything in the data set.
        n_images: Number of images, or of cases.
        n_groups: Number of patients.
        class_names: Name of each class.
        counts: Number of images, or of voxels, of each class.
    """

    task: ClassVar[str]

    fingerprint: str
    n_images: int
    n_groups: int
    class_names: tuple[str, ...]
    counts: tuple[int, ...]

    @staticmethod
    def from_json(value: JsonFields) -> "ImageDatasetDescription | VolumeDatasetDescription":
        """Build the description of images or of volumes from its JSON object."""
        shared = {
            "fingerprint": value["fingerprint"],
            "n_images": value["n_images"],
            "n_groups": value["n_groups"],
            "class_names": tuple(value["class_names"]),
            "counts": tuple(value["counts"]),
        }
        if "modalities" not in value:
            return ImageDatasetDescription(
                **shared, shape=tuple(value["shape"]), dtype=value["dtype"]
            )
        return VolumeDatasetDescription(
            **shared,
            modalities=tuple(value["modalities"]),
            scheme=value["scheme"],
            values=tuple(value["values"]),
            regions=_tuples(value["regions"]),
            images=value.get("images"),
            n4=value.get("n4"),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object."""
        return {
            "fingerprint": self.fingerprint,
            "n_images": self.n_images,
            "n_groups": self.n_groups,
            "class_names": list(self.class_names),
            "counts": list(self.counts),
        }


@dataclass(frozen=True, kw_only=True)
class ImageDatasetDescription(DatasetDescription):
    """A data set of images.

    Attributes:
        shape: (channels, height, width) of every image.
        dtype: NumPy name of the type in which pixels are stored.
    """

    task: ClassVar[str] = CLASSIFICATION

    shape: tuple[int, ...]
    dtype: str

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object."""
        return {**super().to_json(), "shape": list(self.shape), "dtype": self.dtype}


@dataclass(frozen=True, kw_only=True)
class VolumeDatasetDescription(DatasetDescription):
    """A data set of labeled volumes.

    Attributes:
        modalities: Names of the channels, in order.
        scheme: Name of the label scheme.
        values: Number of each class in the label files.
        regions: {name: class codes that form the region}.
        images: {hash of an image file or of its voxels: id of its case}; None for earlier runs.
        n4: Whether the bias field was corrected; None for runs of earlier versions.
    """

    task: ClassVar[str] = SEGMENTATION

    modalities: tuple[str, ...]
    scheme: str
    values: tuple[int, ...]
    regions: Mapping[str, tuple[int, ...]]
    images: Mapping[str, str] | None = None
    n4: bool | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Return the JSON object."""
        value: dict[str, JsonValue] = {
            **super().to_json(),
            "modalities": list(self.modalities),
            "scheme": self.scheme,
            "values": list(self.values),
            "regions": _lists(self.regions),
        }
        if self.images is not None:
            value["images"] = dict(self.images)
        if self.n4 is not None:
            value["n4"] = self.n4
        return value


@dataclass(frozen=True, kw_only=True)
class StudyDescription:
    """Everything that the results of a run depend on, and what its report shows of it.

    Attributes:
        name: Title of the report.
        dataset: The images or volumes.
        rare_class: Index of the positive class.
        baseline: Name of the method that the others are compared with.
        primary_metric: Name of the metric on which the verdict rests.
        methods: The methods, in the requested order.
        splits: The splits, in the requested order.
        seeds: The seeds, in increasing order.
        split_limits: {method: number of first splits that it is trained on}, where not on all.
        versions: {library: version}.
        machine: System, processor, cores, memory in GB and version of Python.
        facts: Anything else, as JSON values: "command", "notes", "skipped", "published".
        reading: How the images or volumes were read; None for runs of earlier versions.

    Example:
        >>> description = StudyDescription.from_json({
        ...     "name": "cells", "baseline": "none", "primary_metric": "auroc", "rare_class": 1,
        ...     "dataset": {"fingerprint": "c0ffee", "n_images": 50, "n_groups": 20,
        ...                 "class_names": ["normal", "abnormal"], "counts": [40, 10],
        ...                 "shape": [1, 32, 32], "dtype": "uint8"},
        ...     "methods": [{"name": "none", "steps": []}], "splits": [], "seeds": [0, 1],
        ...     "versions": {}, "machine": {}, "facts": {},
        ... })
        >>> description.task, description.images.shape, description.method_names
        ('classification', (1, 32, 32), ('none',))
        >>> description.to_json()["seeds"]
        [0, 1]
    """

    name: str
    dataset: ImageDatasetDescription | VolumeDatasetDescription
    rare_class: int
    baseline: str
    primary_metric: str
    methods: tuple[MethodDescription, ...]
    splits: tuple[SplitDescription, ...]
    seeds: tuple[int, ...]
    split_limits: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: JsonObject = field(default_factory=dict)
    facts: JsonObject = field(default_factory=dict)
    reading: Reading | None = None

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the description from the content of `study.json`, also of runs of earlier versions.

        Raises:
            KeyError: A key is missing that every version has written.
        """
        return cls(
            name=value["name"],
            dataset=DatasetDescription.from_json(value["dataset"]),
            rare_class=value["rare_class"],
            baseline=value["baseline"],
            primary_metric=value["primary_metric"],
            methods=tuple(map(MethodDescription.from_json, value["methods"])),
            splits=tuple(map(SplitDescription.from_json, value["splits"])),
            seeds=tuple(value["seeds"]),
            split_limits=dict(value.get("split_limits", {})),
            versions=dict(value["versions"]),
            machine=dict(value["machine"]),
            facts=dict(value["facts"]),
            reading=(reading := value.get("reading")) and Reading.from_json(reading),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the content of `study.json`."""
        value: dict[str, JsonValue] = {
            "name": self.name,
            "task": self.task,
            "dataset": self.dataset.to_json(),
            "rare_class": self.rare_class,
            "baseline": self.baseline,
            "primary_metric": self.primary_metric,
            "methods": [method.to_json() for method in self.methods],
            "splits": [split.to_json() for split in self.splits],
            "seeds": list(self.seeds),
            "versions": dict(self.versions),
            "machine": dict(self.machine),
            "facts": dict(self.facts),
        }
        if self.split_limits:
            value["split_limits"] = dict(self.split_limits)
        if self.reading is not None:
            value["reading"] = self.reading.to_json()
        return value

    @property
    def task(self) -> str:
        """What the study is about, "classification" of images or "segmentation" of volumes."""
        return self.dataset.task

    @property
    def images(self) -> ImageDatasetDescription:
        """The data set of a study of images.

        Raises:
            DataError: This one is about volumes.
        """
        if not isinstance(self.dataset, ImageDatasetDescription):
            raise DataError(f"Expected a run on images, got one on volumes (run '{self.name}').")
        return self.dataset

    @property
    def volumes(self) -> VolumeDatasetDescription:
        """The data set of a study of volumes.

        Raises:
            DataError: This one is about images.
        """
        if not isinstance(self.dataset, VolumeDatasetDescription):
            raise DataError(f"Expected a run on volumes, got one on images (run '{self.name}').")
        return self.dataset

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class."""
        return self.dataset.class_names

    @property
    def method_names(self) -> tuple[str, ...]:
        """Names of the methods, in the requested order."""
        return tuple(method.name for method in self.methods)

    @property
    def command(self) -> str | None:
        """The command that started the run; None where it was started from Python."""
        command = self.facts.get("command")
        return None if command is None else str(command)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the images noted."""
        return _texts(self.facts.get("notes"))

    @property
    def n_stated_notes(self) -> int:
        """How many of `notes`, the first ones, are the user's own (--note)."""
        n = self.facts.get("n_stated_notes", 0)
        return n if isinstance(n, int) else 0

    @property
    def unit(self) -> str:
        """What counts as independent: "patient", or "image" or "case" where none are known."""
        if not any(note.startswith(NO_PATIENTS) for note in self.notes):
            return "patient"
        return "case" if self.task == SEGMENTATION else "image"

    @property
    def skipped(self) -> tuple[str, ...]:
        """The files that could not be read and were left out, with the reasons."""
        return _texts(self.facts.get("skipped"))

    @property
    def published(self) -> tuple[JsonObject, ...]:
        """The tables of a paper that the report shows beside the results."""
        tables = self.facts.get("published")
        if not isinstance(tables, list):
            return ()
        return tuple(table for table in tables if isinstance(table, dict))


def _tuples(value: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(numbers) for name, numbers in value.items()}


def _lists(value: Mapping[str, tuple[int, ...]]) -> dict[str, JsonValue]:
    return {name: list(numbers) for name, numbers in value.items()}


def _texts(value: JsonValue) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()

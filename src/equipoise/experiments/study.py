"""`Study`: methods x splits x seeds on one data set; `running.runner.run_study` trains it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sklearn.pipeline import Pipeline

from equipoise.atomic import JsonFields
from equipoise.data.dataset import ImageDataset
from equipoise.data.duplicates import Duplicates
from equipoise.data.positive_class import default_positive_class
from equipoise.data.splits import Split
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.discovery import pick
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.parameters import describe_steps
from equipoise.experiments.protocol import MOST_REPEATS
from equipoise.experiments.region_metrics import region_metrics
from equipoise.metrics.base import Metric
from equipoise.metrics.classification import METRICS
from equipoise.resampling.base import Resampler
from equipoise.runs.cell import Cell
from equipoise.runs.containment import unsafe_names
from equipoise.runs.reading import Reading

BUILT_IN_PYTHON = Reading()
NEW, OWN = "new", "own"  # origins of splits


@dataclass(frozen=True, kw_only=True)
class Study:
    """A paired comparison: every method on every split with every seed.

    Attributes:
        name: Title of the report.
        dataset: Real images; for a study of segmentation, volumes.
        splits: Patient-disjoint row indices; the names are folder names.
        methods: {name: pipeline of resamplers and one classifier, or of one segmenter}; the names
            are folder names.
        seeds: Whole numbers from 0; each trains every method on every split once.
        split_limits: {method: number of first splits that it is trained on}, for methods that cost
            too much for all; their pairs are the runs that both have.
        baseline: The method that the others are compared with; where None, "none" if there is such
            a method, else the first.
        primary_metric: The metric on which the verdict rests, named before anything is trained.
        rare_class: Index of the positive class; where None, the smallest that does not sound
            healthy (`equipoise.data.positive_class`).
        duplicates: Pairs of copies for the report; None where nobody searched for them.
        split_origin: "own" where the splits are those of the source, "new" where they were drawn,
            "" where nobody says; it is printed, not stored.
        facts: Anything else to store in `study.json`, as JSON values.
        reading: How the images or volumes were read, so that `predict` and `generate` can read
            others the same way.

    Raises:
        LeakageError: Parts of a split share rows or patients, or a held-out image is synthetic.
        SettingError: A study cannot run or store a name, seed, baseline, step or parameter.
        DataError: Two images have the same id, or a split is empty.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> from equipoise.data.splits import hold_out
        >>> from equipoise.experiments.methods.catalogue import build_methods
        >>> from equipoise.experiments.protocol import Budget
        >>> dataset = cells((30, 12), size=32)
        >>> study = Study(
        ...     name="cells",
        ...     dataset=dataset,
        ...     splits=hold_out(dataset, n_splits=1),
        ...     methods=build_methods(["none", "oversampling"], Budget(n_steps=10)),
        ...     seeds=(0, 1),
        ... )
        >>> study.task, study.baseline_name, len(list(study.cells()))
        ('classification', 'none', 4)

    See Also:
        equipoise.experiments.image_plan.plan_study: Plans one with splits and a search for copies.
        equipoise.experiments.running.runner.run_study: Trains it.
    """

    name: str
    dataset: ImageDataset | VolumeDataset
    splits: Sequence[Split]
    methods: Mapping[str, Pipeline]
    seeds: Sequence[int]
    split_limits: Mapping[str, int] = field(default_factory=dict)
    baseline: str | None = None
    primary_metric: str = "balanced_accuracy"
    rare_class: int | None = None
    duplicates: Duplicates | None = None
    split_origin: str = ""
    facts: JsonFields = field(default_factory=dict)
    reading: Reading = BUILT_IN_PYTHON

    def __post_init__(self) -> None:
        _check_names("method", list(self.methods))
        _check_names("split", [split.name for split in self.splits])
        _check_seeds(self.seeds)
        pick(self.metrics, self.primary_metric, "metric")
        if self.baseline is not None:
            pick(self.methods, self.baseline, "method")
        for name, limit in self.split_limits.items():
            pick(self.methods, name, "method")
            if name == self.baseline_name or not 1 <= limit <= len(self.splits):
                raise SettingError(
                    "Expected limits of splits for methods other than the baseline, from 1 to "
                    f"{len(self.splits)}, got {limit} for '{name}'."
                )
        for name, method in self.methods.items():
            _check_method(name, method, segmenter=self.task == "segmentation")
        if len(set(self.dataset.ids.tolist())) < len(self.dataset):
            raise DataError("Expected a different id for each image, got repeated ones.")
        for split in self.splits:
            split.check(self.dataset)

    @property
    def task(self) -> str:
        """The task: "classification" of images or "segmentation" of volumes."""
        return "segmentation" if isinstance(self.dataset, VolumeDataset) else "classification"

    @property
    def images(self) -> ImageDataset:
        """The data set of a study of images.

        Raises:
            SettingError: This is a study of volumes.
        """
        if not isinstance(self.dataset, ImageDataset):
            raise SettingError("Expected a study of images, got one of volumes.")
        return self.dataset

    @property
    def volumes(self) -> VolumeDataset:
        """The data set of a study of volumes.

        Raises:
            SettingError: This is a study of images.
        """
        if not isinstance(self.dataset, VolumeDataset):
            raise SettingError("Expected a study of volumes, got one of images.")
        return self.dataset

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """All metrics of a study of this kind, by name."""
        if isinstance(self.dataset, VolumeDataset):
            return region_metrics(self.dataset.regions, self.dataset.class_names[1:])
        return METRICS

    @property
    def baseline_name(self) -> str:
        """Name of the baseline."""
        return self.baseline or ("none" if "none" in self.methods else next(iter(self.methods)))

    @property
    def positive(self) -> int:
        """Index of the positive class of every metric."""
        if self.rare_class is not None:
            return self.rare_class
        if isinstance(self.dataset, ImageDataset):
            return default_positive_class(self.dataset.class_names, self.dataset.counts)
        return self.dataset.rare_class

    def split(self, name: str) -> Split:
        """Return a split by name."""
        return pick({split.name: split for split in self.splits}, name, "split")

    def cells(self) -> Iterator[Cell]:
        """Yield all cells, every method once before any twice.

        A study that is stopped early is still a fair comparison.
        """
        for seed in self.seeds:
            for i, split in enumerate(self.splits):
                for method in self.methods:
                    if i < self.split_limits.get(method, len(self.splits)):
                        yield Cell(method, split.name, int(seed))


def _check_names(kind: str, names: list[str]) -> None:
    if not names:
        raise SettingError(f"Expected at least one {kind}, got none.")
    unsafe = unsafe_names(names)
    if unsafe:
        raise SettingError(
            f"Expected names of {kind}s from letters, digits and . _ + = @ - "
            f"(they are folders), got {', '.join(map(repr, unsafe))}."
        )
    if len({name.lower() for name in names}) < len(names):
        raise SettingError(
            f"Expected different names of {kind}s (case does not count), got {', '.join(names)}."
        )


def _check_seeds(seeds: Sequence[int]) -> None:
    if len(seeds) > MOST_REPEATS:
        raise SettingError(f"Expected at most {MOST_REPEATS:,} seeds, got {len(seeds):,}.")
    if not len(seeds) or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise SettingError(f"Expected different seeds from 0, at least one, got {list(seeds)}.")


def _check_method(name: str, method: Pipeline, *, segmenter: bool) -> None:
    """Check the steps of a method, and that its settings can be stored."""
    if not hasattr(method, "steps"):
        raise SettingError(
            f"Expected method '{name}' as an imblearn.pipeline.Pipeline, got "
            f"{type(method).__name__}. Write Pipeline([('classify', classifier)])."
        )
    *resamplers, (last, estimator) = method.steps
    for step, resampler in resamplers:
        if segmenter:
            raise SettingError(
                f"Expected step '{step}' of method '{name}' to be left out: "
                "a method for volumes is one segmenter."
            )
        if not isinstance(resampler, Resampler):
            raise SettingError(
                f"Expected step '{step}' of method '{name}' to be an "
                f"equipoise.resampling.base.Resampler, got {type(resampler).__name__}."
            )
    if segmenter:
        required, kind = ("fit", "predict", "save"), "segmenter such as Segmenter"
    else:
        required, kind = ("fit", "predict_proba", "save"), "classifier such as ImageClassifier"
    missing = [attribute for attribute in required if not hasattr(estimator, attribute)]
    if missing:
        raise SettingError(
            f"Expected the last step '{last}' of method '{name}' to be a {kind}, "
            f"got {type(estimator).__name__} without {', '.join(missing)}."
        )
    describe_steps(method)  # refuses settings that cannot be stored

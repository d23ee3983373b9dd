"""What a study can find, computed before it starts from its images, splits, seeds and methods."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import Split
from equipoise.discovery import pick
from equipoise.metrics.classification import METRICS
from equipoise.metrics.decisions import decided_metric
from equipoise.metrics.sampling_variance import area_variance, recall_variance
from equipoise.metrics.statistics import detectable_difference, satterthwaite
from equipoise.results.comparison import FEWEST_PATIENTS
from equipoise.results.phrases import agrees, plural
from equipoise.results.records import RANKING
from equipoise.results.regime.warning import is_frozen
from equipoise.runs.description import StudyDescription
from equipoise.runs.image_run import ImageRun

ACCURACY = "balanced_accuracy"
MOST_SEEDS = 200  # nobody trains more; what these do not show, no number of seeds will
SPREADS = {ACCURACY: recall_variance, RANKING: area_variance}
TARGETS = (0.02, 0.05, 0.10)  # differences that a reader may want to find


@dataclass(frozen=True, kw_only=True)
class PatientCounts:
    """Test patients with at least one image of each class, as the verdict counts them.

    Attributes:
        in_split: (k,) in a split, the mean over the splits.
        in_all: (k,) in all splits together, each patient once.
    """

    in_split: tuple[float, ...]
    in_all: tuple[float, ...]

    @property
    def scarce_class(self) -> int:
        """The class with the fewest patients over all splits, the first on a tie."""
        return int(np.argmin(self.in_all))

    @property
    def fewest(self) -> float:
        """Its number of patients over all splits."""
        return self.in_all[self.scarce_class]


@dataclass(frozen=True, kw_only=True)
class StudySize:
    """The numbers of a study that determine what it can find.

    Attributes:
        n_test: Test images of each class in a split, the mean over the splits.
        patients: Test patients of each class.
        overlap: Share of a split's test images that another split tests too; 1 where there is one
            split.
        n_splits: Number of splits.
        n_seeds: Trainings of every method on every split.
        n_comparisons: Size of the family that the verdict corrects for: methods other than the
            baseline, times the metrics in the first sentence.
        frozen: Whether all methods are heads on the same frozen features, which differ less.
        unit: What `patients` counts, see `StudyDescription.unit`.
    """

    n_test: tuple[float, ...]
    patients: PatientCounts
    overlap: float
    n_splits: int
    n_seeds: int
    n_comparisons: int
    frozen: bool = False
    unit: str = "patient"


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What has to be assumed about results that do not exist yet; see `assumptions_of`.

    Attributes:
        level: Recall of every class, or one-vs-rest AUROC of every class.
        correlation: Of two methods on the same images: of whether each image is classified
            correctly, or of the areas.
        clustering: Correlation of this difference between two images of a patient.
        seed_sd: Standard deviation of a difference over the seeds of one split.
        split_sd: The same over training sets, without the part that seeds and test images explain.
    """

    level: float
    correlation: float
    clustering: float
    seed_sd: float
    split_sd: float


# Rounded from the medians of the five studies in docs/results, to which tests/results/test_power.py
# compares them: correlations of 0.71 to 0.80 in balanced accuracy, 0.40 to 0.92 in AUROC. Three
# splits say little about `split_sd`: what is left for it lies between 0 and 0.08. `clustering` was
# not distinguishable from 0 with 1.5 to 3 images of a patient; a small value is assumed because it
# decides where a patient has dozens of slices.
ASSUMED = {
    ACCURACY: Assumptions(
        level=0.65, correlation=0.75, clustering=0.05, seed_sd=0.025, split_sd=0.02
    ),
    RANKING: Assumptions(
        level=0.80, correlation=0.85, clustering=0.05, seed_sd=0.015, split_sd=0.02
    ),
}

# Of heads on the same frozen features: the same medians of the studies in docs/results/regimes. A
# head has no luck of its own.
ASSUMED_ON_FEATURES = {
    ACCURACY: Assumptions(
        level=0.77, correlation=0.97, clustering=0.05, seed_sd=0.0, split_sd=0.022
    ),
    RANKING: Assumptions(
        level=0.91, correlation=0.99, clustering=0.05, seed_sd=0.0, split_sd=0.007
    ),
}


def assumptions_of(size: StudySize, metric: str) -> Assumptions:
    """Return what is assumed about a metric of a study."""
    return (ASSUMED_ON_FEATURES if size.frozen else ASSUMED)[metric]


@dataclass(frozen=True)
class Need:
    """The seeds it takes to find a difference.

    Attributes:
        difference: The true difference.
        n_seeds: Seeds of every method on every split; None where no number suffices.
        text: The same in words, with the reason where none suffices.
    """

    difference: float
    n_seeds: int | None
    text: str


def count_patients(
    tested: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], n_classes: int
) -> PatientCounts:
    """Count the test patients of each class.

    Args:
        tested: Labels (n,) and patients (n,) of the test images of each split, at least one.
        n_classes: Number k of classes.

    Example:
        >>> first = np.array([0, 0, 1, 1]), np.array([7, 7, 8, 9])
        >>> second = np.array([0, 1]), np.array([5, 8])
        >>> count_patients([first, second], 2)
        PatientCounts(in_split=(1.0, 1.5), in_all=(2.0, 2.0))
    """
    pairs = [np.unique(np.stack(split), axis=1) for split in tested]  # (class, patient) once each
    in_split = [np.bincount(of_split[0], minlength=n_classes) for of_split in pairs]
    in_all = np.bincount(np.unique(np.concatenate(pairs, axis=1), axis=1)[0], minlength=n_classes)
    return PatientCounts(
        in_split=tuple(np.mean(in_split, axis=0).tolist()),
        in_all=tuple(in_all.astype(np.float64).tolist()),
    )


def planned_patients(dataset: ImageDataset, splits: Sequence[Split]) -> PatientCounts:
    """Count the test patients of each class of a study, before anything is trained."""
    tested = [(dataset.labels[split.test], dataset.groups[split.test]) for split in splits]
    return count_patients(tested, len(dataset.class_names))


def patients_of_run(run: ImageRun) -> PatientCounts | None:
    """Count the test patients of each class of a run; None where no cell has finished."""
    by_split = {}
    for finished in run.finished:
        by_split[finished.cell.split] = (finished.predictions.y_true, finished.patients)
    if not by_split:
        return None
    return count_patients(list(by_split.values()), len(run.class_names))


def planned_size(
    dataset: ImageDataset,
    splits: Sequence[Split],
    *,
    n_seeds: int,
    n_comparisons: int,
    frozen: bool,
    unit: str = "patient",
) -> StudySize:
    """Compute the size of a study of images that is being planned.

    Args:
        dataset: The images.
        splits: The splits, at least one.
        n_seeds: Trainings of every method on every split.
        n_comparisons: See `StudySize`.
        frozen: See `StudySize`.
        unit: See `StudySize`.
    """
    counts = [np.bincount(dataset.labels[s.test], minlength=len(dataset.counts)) for s in splits]
    n_test = np.mean(counts, axis=0)  # (k,)
    return StudySize(
        n_test=tuple(n_test.tolist()),
        patients=planned_patients(dataset, splits),
        overlap=float(n_test.sum()) / len(dataset) if len(splits) > 1 else 1.0,
        n_splits=len(splits),
        n_seeds=n_seeds,
        n_comparisons=n_comparisons,
        frozen=frozen,
        unit=unit,
    )


def size_of(description: StudyDescription, patients: PatientCounts | None = None) -> StudySize:
    """Compute the size of a study.

    Args:
        description: The study.
        patients: Its test patients, see `planned_patients` and `patients_of_run`; where None, they
            are estimated from the mean number of images of a patient.
    """
    dataset, splits = description.dataset, description.splits
    counts = np.array([split.counts["test"] for split in splits], dtype=np.float64)  # (splits, k)
    n_test = counts.mean(axis=0)
    overlap = float(n_test.sum()) / dataset.n_images if len(splits) > 1 else 1.0
    if patients is None:
        in_split = n_test * dataset.n_groups / dataset.n_images
        # Number of different test images, in units of one split's test images.
        distinct = len(splits) / (1 + (len(splits) - 1) * overlap)
        patients = PatientCounts(
            in_split=tuple(in_split.tolist()), in_all=tuple((in_split * distinct).tolist())
        )
    decisive = decided_metric(pick(METRICS, description.primary_metric, "metric"))
    n_metrics = len({decisive.name, RANKING})
    return StudySize(
        n_test=tuple(n_test.tolist()),
        patients=patients,
        overlap=overlap,
        n_splits=len(splits),
        n_seeds=len(description.seeds),
        n_comparisons=n_metrics * (len(description.methods) - 1),
        frozen=is_frozen(description),
        unit=description.unit,
    )


def detectable(size: StudySize, metric: str, assumed: Assumptions | None = None) -> float:
    """Predict the smallest true difference that a study finds with 80 % power.

    The standard error and the degrees of freedom are those of `paired_test` with the variances
    expected under the assumptions; simulated, such a difference was found in 77 to 85 of 100
    studies (72 with two runs). NaN where nothing is compared, a single run of each is requested, or
    a class has too few patients.

    Args:
        size: The study.
        metric: "balanced_accuracy" or "auroc".
        assumed: Instead of `assumptions_of(size, metric)`.

    Example:
        >>> patients = PatientCounts(in_split=(150.0, 30.0), in_all=(300.0, 60.0))
        >>> size = StudySize(n_test=(150.0, 30.0), patients=patients, overlap=0.25,
        ...                  n_splits=3, n_seeds=3, n_comparisons=4)
        >>> round(detectable(size, "auroc"), 3)
        0.101
    """
    m = size.n_splits if size.n_splits > 1 else size.n_seeds
    if m < 2 or size.n_comparisons < 1 or size.patients.fewest < FEWEST_PATIENTS:
        return math.nan
    runs, images = _variances(size, metric, assumed or assumptions_of(size, metric))
    freedom = satterthwaite((runs, m - 1), (images, size.patients.fewest - 1))
    return detectable_difference(math.sqrt(runs + images), freedom, size.n_comparisons)


def variance_between_runs(size: StudySize, metric: str, assumed: Assumptions) -> float:
    """Compute the variance of a difference between two methods over runs on different splits."""
    runs, _ = _variances(replace(size, n_splits=max(2, size.n_splits)), metric, assumed)
    return runs * max(2, size.n_splits)


def scaled(assumed: Assumptions, ratio: float) -> Assumptions:
    """Return assumptions under which all variances of a difference are `ratio` times as large."""
    return replace(
        assumed,
        correlation=1 - min(2.0, ratio * (1 - assumed.correlation)),
        seed_sd=assumed.seed_sd * math.sqrt(ratio),
        split_sd=assumed.split_sd * math.sqrt(ratio),
    )


def seeds_needed(
    size: StudySize, metric: str, difference: float, assumed: Assumptions | None = None
) -> int | None:
    """Return the fewest seeds with which a study finds a true difference; None if none suffice."""
    most = replace(size, n_seeds=MOST_SEEDS)
    if math.isnan(detectable(most, metric, assumed)):
        return None
    error = math.sqrt(sum(_variances(most, metric, assumed or assumptions_of(size, metric))))
    if detectable_difference(error, math.inf, size.n_comparisons) > difference:
        return None  # not even with the variances known; this saves the search, which is slow
    for n_seeds in range(1, MOST_SEEDS + 1):
        if detectable(replace(size, n_seeds=n_seeds), metric, assumed) <= difference:
            return n_seeds
    return None


def outlook(description: StudyDescription, patients: PatientCounts | None = None) -> str:
    """Describe what a study can find; empty where there is nothing to compare.

    Args:
        description: The study.
        patients: See `size_of`.
    """
    size = size_of(description, patients)
    if size.n_comparisons < 1:
        return ""
    if problem := obstacle(size, description.class_names):
        return f"Expected: no method can be distinguished from the baseline, as {problem}."
    reached = [f"{detectable(size, name):.3f} in {METRICS[name].label}" for name in SPREADS]
    needed = seeds_in_words(needs(size, ACCURACY))
    return (
        f"Expected: a true difference of {' and of '.join(reached)} is found four times in five, "
        f"with {_scarce(size, description.class_names)} tested. "
        f"Seeds needed in {METRICS[ACCURACY].label}, {needed}."
    )


def needs(size: StudySize, metric: str) -> list[Need]:
    """Compute for each of `TARGETS` how many seeds it takes on these splits."""
    needed = []
    for difference in TARGETS:
        n_seeds = seeds_needed(size, metric, difference)
        if n_seeds is None:
            # Where trainings do not differ, only the number of test images is a limit.
            alike = replace(assumptions_of(size, metric), seed_sd=0.0, split_sd=0.0)
            reached = detectable(replace(size, n_seeds=MOST_SEEDS), metric, alike)
            enough_images = reached <= difference  # False for NaN
            reason = "more splits are needed" if enough_images else "the test set is too small"
            text = f"no number suffices ({reason})"
        else:
            text = f"{n_seeds} per split" if size.n_splits > 1 else str(n_seeds)
        needed.append(Need(difference, n_seeds, text))
    return needed


def seeds_in_words(needed: Sequence[Need]) -> str:
    """Join needs into one line, differences with the same answer together."""
    parts = []
    for text, same in groupby(needed, key=lambda need: need.text):
        differences = " or ".join(f"{need.difference:.2f}" for need in same)
        parts.append(f"for {differences}: {text}")
    return "; ".join(parts)


def obstacle(size: StudySize, class_names: Sequence[str]) -> str:
    """Explain why a study cannot find anything; empty where it can."""
    if size.patients.fewest < FEWEST_PATIENTS:
        verb = agrees(round(size.patients.fewest), "is", "are")
        return f"only {_scarce(size, class_names)} {verb} tested, fewer than {FEWEST_PATIENTS}"
    if size.n_splits == 1 and size.n_seeds == 1:
        return "a single run of each shows no difference; use more seeds or splits"
    return ""


def _scarce(size: StudySize, class_names: Sequence[str]) -> str:
    """Return the number of patients (or images) of the scarce class, and its name."""
    n, name = round(size.patients.fewest), class_names[size.patients.scarce_class]
    return f"{plural(n, size.unit)} of class {name}"


def _variances(size: StudySize, metric: str, assumed: Assumptions) -> tuple[float, float]:
    """Return the two parts of `paired_test`: between runs, and from which images were tested."""
    # Images of a patient are correlated: the design effect (Kish 1965, section 5.4).
    n_test = np.array(size.n_test)
    images_per_patient = n_test / np.maximum(size.patients.in_split, 1e-9)  # (k,)
    n = n_test / (1 + (images_per_patient - 1) * assumed.clustering)
    one_split = 2 * (1 - assumed.correlation) * SPREADS[metric](n, assumed.level)
    if size.n_splits == 1:
        return assumed.seed_sd**2 / size.n_seeds, one_split
    m = size.n_splits
    between = assumed.split_sd**2 + assumed.seed_sd**2 / size.n_seeds + one_split
    return between / m, one_split * (1 + (m - 1) * size.overlap) / m

"""What a study can find, computed before it starts from its images, splits, seeds and methods."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from equipoise.metrics.classification import METRICS
from equipoise.metrics.sampling_variance import area_variance, recall_variance
from equipoise.metrics.statistics import detectable_difference, satterthwaite
from equipoise.results.comparison import FEWEST_PATIENTS
from equipoise.results.records import RANKING
from equipoise.runs.description import StudyDescription

ACCURACY = "balanced_accuracy"
MOST_SEEDS = 200  # nobody trains more; what these do not show, no number of seeds will
SPREADS = {ACCURACY: recall_variance, RANKING: area_variance}
TARGETS = (0.02, 0.05, 0.10)  # differences that a reader may want to find


@dataclass(frozen=True, kw_only=True)
class StudySize:
    """The numbers of a study that determine what it can find.

    Attributes:
        n_test: Test images of each class in a split, the mean over the splits.
        overlap: Share of a split's test images that another split tests too; 1 where there is one
            split.
        images_per_patient: Mean over all images.
        n_splits: Number of splits.
        n_seeds: Trainings of every method on every split.
        n_comparisons: Methods that are compared with the baseline.
    """

    n_test: tuple[float, ...]
    overlap: float
    images_per_patient: float
    n_splits: int
    n_seeds: int
    n_comparisons: int

    @property
    def fewest_patients(self) -> float:
        """Patients of the class with fewest, over all splits, by the mean number of images."""
        # Number of different test images, in units of one split's test images.
        tested = self.n_splits / (1 + (self.n_splits - 1) * self.overlap)
        return min(self.n_test) * tested / self.images_per_patient


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What has to be assumed about results that do not exist yet; `ASSUMED` has the numbers.

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


def size_of(description: StudyDescription) -> StudySize:
    """Compute the size of a study from its description."""
    dataset, splits = description.dataset, description.splits
    tested = np.array([split.counts["test"] for split in splits], dtype=np.float64)  # (splits, k)
    share = float(tested.sum()) / len(splits) / dataset.n_images
    return StudySize(
        n_test=tuple(tested.mean(axis=0).tolist()),
        overlap=share if len(splits) > 1 else 1.0,
        images_per_patient=dataset.n_images / dataset.n_groups,
        n_splits=len(splits),
        n_seeds=len(description.seeds),
        n_comparisons=len(description.methods) - 1,
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
        assumed: Instead of `ASSUMED[metric]`.

    Example:
        >>> size = StudySize(n_test=(150.0, 30.0), overlap=0.25, images_per_patient=1.0,
        ...                  n_splits=3, n_seeds=3, n_comparisons=4)
        >>> round(detectable(size, "auroc"), 3)
        0.101
    """
    m = size.n_splits if size.n_splits > 1 else size.n_seeds
    if m < 2 or size.n_comparisons < 1 or size.fewest_patients < FEWEST_PATIENTS:
        return math.nan
    runs, images = _variances(size, metric, assumed or ASSUMED[metric])
    freedom = satterthwaite((runs, m - 1), (images, size.fewest_patients - 1))
    return detectable_difference(math.sqrt(runs + images), freedom, size.n_comparisons)


def seeds_needed(
    size: StudySize, metric: str, difference: float, assumed: Assumptions | None = None
) -> int | None:
    """Return the fewest seeds with which a study finds a true difference; None if none suffice."""
    most = replace(size, n_seeds=MOST_SEEDS)
    if math.isnan(detectable(most, metric, assumed)):
        return None
    error = math.sqrt(sum(_variances(most, metric, assumed or ASSUMED[metric])))
    if detectable_difference(error, math.inf, size.n_comparisons) > difference:
        return None  # not even with the variances known; this saves the search, which is slow
    for n_seeds in range(1, MOST_SEEDS + 1):
        if detectable(replace(size, n_seeds=n_seeds), metric, assumed) <= difference:
            return n_seeds
    return None


def outlook(description: StudyDescription) -> str:
    """Describe what a study can find; empty where there is nothing to compare."""
    size = size_of(description)
    if size.n_comparisons < 1:
        return ""
    if problem := obstacle(size, description.class_names):
        return f"Expected: no method can be distinguished from the baseline, as {problem}."
    reached = [f"{detectable(size, name):.3f} in {METRICS[name].label}" for name in SPREADS]
    needed = seeds_in_words(needs(size, ACCURACY))
    return (
        f"Expected: a true difference of {' and of '.join(reached)} is found four times in five. "
        f"Seeds needed in {METRICS[ACCURACY].label}, {needed}."
    )


def needs(size: StudySize, metric: str) -> list[Need]:
    """Compute for each of `TARGETS` how many seeds it takes on these splits."""
    needed = []
    for difference in TARGETS:
        n_seeds = seeds_needed(size, metric, difference)
        if n_seeds is None:
            # Where trainings do not differ, only the number of test images is a limit.
            alike = replace(ASSUMED[metric], seed_sd=0.0, split_sd=0.0)
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
    if size.fewest_patients < FEWEST_PATIENTS:
        rare = class_names[int(np.argmin(size.n_test))]
        return f"fewer than {FEWEST_PATIENTS} patients of class {rare} are tested"
    if size.n_splits == 1 and size.n_seeds == 1:
        return "a single run of each shows no difference; use more seeds or splits"
    return ""


def _variances(size: StudySize, metric: str, assumed: Assumptions) -> tuple[float, float]:
    """Return the two parts of `paired_test`: between runs, and from which images were tested."""
    # Images of a patient are correlated: the design effect (Kish 1965, section 5.4).
    design_effect = 1 + (size.images_per_patient - 1) * assumed.clustering
    n = np.array(size.n_test) / design_effect
    one_split = 2 * (1 - assumed.correlation) * SPREADS[metric](n, assumed.level)
    if size.n_splits == 1:
        return assumed.seed_sd**2 / size.n_seeds, one_split
    m = size.n_splits
    between = assumed.split_sd**2 + assumed.seed_sd**2 / size.n_seeds + one_split
    return between / m, one_split * (1 + (m - 1) * size.overlap) / m

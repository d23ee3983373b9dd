"""What a study can find, told before it starts: from its test images, splits, seeds and comparisons."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.classification import METRICS
from equipoise.metrics.sampling_variance import area_variance, recall_variance
from equipoise.metrics.statistics import detectable_difference, satterthwaite
from equipoise.results.comparison import FEWEST_PATIENTS, RANKING

Values = NDArray[np.float64]

ACCURACY = "balanced_accuracy"
MOST_SEEDS = 200  # nobody trains more; what these do not show, no number of seeds will
SPREADS = {ACCURACY: recall_variance, RANKING: area_variance}


@dataclass(frozen=True, kw_only=True)
class Design:
    """What is known of a study before anything is trained.

    Attributes:
        n_test: Test images of each class in a split, the mean over the splits.
        overlap: Share of a split's test images that another split tests too; 1 where there is one split.
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
        """Patients of the class with fewest, over all splits, as far as the mean number of images tells."""
        tested = self.n_splits / (
            1 + (self.n_splits - 1) * self.overlap
        )  # in units of one split's test images
        return min(self.n_test) * tested / self.images_per_patient


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What has to be assumed of results that are not there yet; see `ASSUMED` for where the numbers come from.

    Attributes:
        level: Recall of every class, or one-vs-rest AUROC of every class.
        correlation: Of two methods on the same images: of how often each image is called right, or of the areas.
        clustering: Correlation of this difference between two images of a patient.
        seed_sd: Standard deviation of a difference over the seeds of one split.
        split_sd: The same over training sets, without the part that seeds and test images explain.
    """

    level: float
    correlation: float
    clustering: float
    seed_sd: float
    split_sd: float


# Rounded from the medians of the five studies in docs/results (tests/experiments/test_power.py holds them to it):
# correlations of 0.71 to 0.80 in balanced accuracy, 0.40 to 0.92 in AUROC. Three splits tell little of `split_sd`:
# what is left for it there lies between nothing and 0.08. `clustering` could not be told from 0, with 1.5 to 3
# images of a patient; a small value is assumed because it decides where a patient has dozens of slices [choice].
ASSUMED = {
    ACCURACY: Assumptions(
        level=0.65, correlation=0.75, clustering=0.05, seed_sd=0.025, split_sd=0.02
    ),
    RANKING: Assumptions(
        level=0.80, correlation=0.85, clustering=0.05, seed_sd=0.015, split_sd=0.02
    ),
}


def design_of(asked: Mapping[str, Any]) -> Design:
    """Read the design of a study from what is asked of it (`study.json`)."""
    dataset, splits = asked["dataset"], asked["splits"]
    tested = np.array([split["counts"]["test"] for split in splits], dtype=np.float64)
    share = float(tested.sum()) / len(splits) / dataset["n_images"]
    return Design(
        n_test=tuple(tested.mean(axis=0).tolist()),
        overlap=share if len(splits) > 1 else 1.0,
        images_per_patient=dataset["n_images"] / dataset["n_groups"],
        n_splits=len(splits),
        n_seeds=len(asked["seeds"]),
        n_comparisons=len(asked["methods"]) - 1,
    )


def detectable(design: Design, metric: str, assumed: Assumptions | None = None) -> float:
    """Foretell the smallest true difference that the study finds four times in five: `PairedTest.detectable`.

    The standard error and the degrees of freedom are those of `paired_test` with the variances expected under the
    assumptions; simulated, such a difference was found in 77 to 85 of 100 studies (72 with two runs). NaN where
    nothing is compared, a single run of each is asked for, or a class has too few patients.

    Args:
        design: The study.
        metric: "balanced_accuracy" or "auroc".
        assumed: Instead of `ASSUMED[metric]`.
    """
    m = design.n_splits if design.n_splits > 1 else design.n_seeds
    if m < 2 or design.n_comparisons < 1 or design.fewest_patients < FEWEST_PATIENTS:
        return math.nan
    runs, images = _variances(design, metric, assumed or ASSUMED[metric])
    freedom = satterthwaite((runs, m - 1), (images, design.fewest_patients - 1))
    return detectable_difference(math.sqrt(runs + images), freedom, design.n_comparisons)


def seeds_needed(
    design: Design, metric: str, difference: float, assumed: Assumptions | None = None
) -> int | None:
    """Find the smallest number of seeds with which a study finds a true difference; None where none suffices."""
    most = replace(design, n_seeds=MOST_SEEDS)
    if math.isnan(detectable(most, metric, assumed)):
        return None
    error = math.sqrt(sum(_variances(most, metric, assumed or ASSUMED[metric])))
    if detectable_difference(error, math.inf, design.n_comparisons) > difference:
        return None  # not even with the variances known; this spares the search, which is slow
    reached = (
        detectable(replace(design, n_seeds=n), metric, assumed) for n in range(1, MOST_SEEDS + 1)
    )
    return next((n for n, reach in enumerate(reached, start=1) if reach <= difference), None)


def _variances(design: Design, metric: str, assumed: Assumptions) -> tuple[float, float]:
    """Give the two parts of `paired_test`: by how the runs differ, and by which images were tested."""
    crowding = (
        1 + (design.images_per_patient - 1) * assumed.clustering
    )  # the design effect (Kish 1965)
    n = np.array(design.n_test) / crowding
    one = 2 * (1 - assumed.correlation) * SPREADS[metric](n, assumed.level)
    if design.n_splits == 1:
        return assumed.seed_sd**2 / design.n_seeds, one
    m = design.n_splits
    between = assumed.split_sd**2 + assumed.seed_sd**2 / design.n_seeds + one
    return between / m, one * (1 + (m - 1) * design.overlap) / m


TARGETS = (0.02, 0.05, 0.10)  # differences that a reader may care for


@dataclass(frozen=True)
class Need:
    """What it takes to find a difference.

    Attributes:
        difference: The true difference.
        n_seeds: Seeds of every method on every split; None where no number suffices.
        text: The same in words, and why where none does.
    """

    difference: float
    n_seeds: int | None
    text: str


def outlook(asked: Mapping[str, Any]) -> str:
    """Say what a study (as in `study.json`) can find; nothing where there is nothing to compare."""
    design = design_of(asked)
    if design.n_comparisons < 1:
        return ""
    if problem := obstacle(design, asked["dataset"]["class_names"]):
        return f"Expected: no method can be told from the baseline, as {problem}."
    reached = [f"{detectable(design, name):.3f} in {METRICS[name].label}" for name in SPREADS]
    label, needed = METRICS[ACCURACY].label, seeds_in_words(needs(design, ACCURACY))
    return (
        f"Expected: a true difference of {' and of '.join(reached)} is found four times in five. "
        f"Seeds that it takes in {label}, {needed}."
    )


def needs(design: Design, metric: str) -> list[Need]:
    """Say for each of `TARGETS` how many seeds it takes on these splits."""
    return [_need(design, metric, difference) for difference in TARGETS]


def _need(design: Design, metric: str, difference: float) -> Need:
    n_seeds = seeds_needed(design, metric, difference)
    if n_seeds is not None:
        return Need(
            difference, n_seeds, f"{n_seeds} per split" if design.n_splits > 1 else str(n_seeds)
        )
    alike = replace(ASSUMED[metric], seed_sd=0.0, split_sd=0.0)  # trainings that do not differ
    scarce = not detectable(replace(design, n_seeds=MOST_SEEDS), metric, alike) <= difference
    reason = "the test set is too small" if scarce else "more splits are needed"
    return Need(difference, None, f"no number suffices ({reason})")


def seeds_in_words(needed: Sequence[Need]) -> str:
    """Write needs in one line: equal ones together."""
    return "; ".join(
        f"for {' or '.join(f'{row.difference:.2f}' for row in rows)}: {text}"
        for text, rows in groupby(needed, key=lambda need: need.text)
    )


def obstacle(design: Design, class_names: Sequence[str]) -> str:
    """Say why a study cannot find anything; nothing where it can."""
    if design.fewest_patients < FEWEST_PATIENTS:
        rare = class_names[int(np.argmin(design.n_test))]
        return f"fewer than {FEWEST_PATIENTS} patients of class {rare} are tested"
    if design.n_splits == 1 and design.n_seeds == 1:
        return "a single run of each shows no difference; ask for more seeds or splits"
    return ""

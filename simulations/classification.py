"""False alarms and coverage of the test of two classifiers, `paired_test`.

    python -m simulations.classification --json docs/results/simulations/classification.json

Two nearest-mean classifiers, each on its half of the features of an image, are trained and tested
in every run; both halves are equally informative, so that over data sets and trainings neither is
better. 200 images, a fifth of them rare, hold-outs of a quarter or folds; noise on direction and
threshold is the luck of a training. The more features share the information (`width`), the more a
classifier depends on its training images.

- alarms: share of studies with p < .05. The truth is 0, so that coverage is 1 minus alarms.
- conditional: for a single split, the share of studies whose 95 % interval misses the difference
  that these training images truly make, mean over trainings: what the sentence of the verdict
  claims, "for models trained on these images". `alarms` is then about other training images too,
  of which a single split knows nothing: part `one_split` shows how they grow with the test part,
  as the interval narrows around a difference that the training images made.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from equipoise.atomic import write_json
from equipoise.metrics.base import Values
from equipoise.metrics.statistics import PairedTest, paired_test, patient_draws
from equipoise.randomness import make_rng
from simulations.nearest_means import (
    DISTANCE,
    TEST,
    TRAIN,
    balanced_accuracies,
    draw_parts,
    train,
)

REPLICATIONS, N_DRAWS = 1000, 100
TRAININGS = 20  # that show the true difference which the training images of a split make


@dataclass(frozen=True, kw_only=True)
class Design:
    """Splits, seeds, number of features of a classifier, images and share of the test part."""

    kind: str
    n_splits: int
    n_seeds: int
    width: int = 6
    n: int = 200
    test: float = 0.25


GRID = tuple(
    Design(kind=kind, n_splits=n_splits, n_seeds=n_seeds, width=width)
    for kind, sizes in (
        ("hold-out", ((1, 2), (1, 3), (1, 5), (2, 2), (3, 1), (3, 3), (5, 1), (5, 3))),
        ("k-fold", ((2, 3), (3, 1), (3, 3), (5, 1), (5, 3), (10, 1))),
    )
    for n_splits, n_seeds in sizes
    for width in (6, 40)
)
N_TRAIN = 150  # of `ONE_SPLIT`, with ever more images to test
ONE_SPLIT = tuple(
    Design(
        kind="hold-out",
        n_splits=1,
        n_seeds=3,
        width=40,
        n=N_TRAIN + n_test,
        test=n_test / (N_TRAIN + n_test),
    )
    for n_test in (50, 150, 600, 2400)
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Rates and their Monte-Carlo standard errors; `conditional` is None with several splits."""

    design: Design
    alarms: float
    alarms_error: float
    conditional: float | None
    conditional_error: float | None


def simulate(
    rng: np.random.Generator, design: Design, *, n_trainings: int = TRAININGS
) -> tuple[PairedTest, float]:
    """Simulate a study; return its test, and the true difference for its training images.

    The latter is NaN with several splits.
    """
    y = (np.arange(design.n) < design.n // 5).astype(np.int64)
    means = np.full((2, design.width), DISTANCE / np.sqrt(design.width))
    X = rng.normal(size=(2, design.n, design.width)) + means[:, None] * y[:, None]
    parts = draw_parts(rng, design.kind, design.n_splits, y, test=design.test)
    tested = np.flatnonzero((parts == TEST).any(axis=0))
    weights = np.zeros((N_DRAWS, design.n))
    (weights[:, tested],) = patient_draws(y[tested], rng, n_draws=N_DRAWS, block=N_DRAWS)
    weights = np.concatenate([np.ones((1, design.n)), weights])
    values = []
    for part in parts:
        of_test = weights * (part == TEST)
        for _ in range(design.n_seeds):
            right = train(rng, X, y, part == TRAIN).right(X, y)
            accuracies = balanced_accuracies(right, y, of_test)
            values.append(accuracies[0] - accuracies[1])
    runs: Values = np.stack(values)
    test = paired_test(
        runs[:, 0],
        runs[:, 1:],
        np.repeat(np.arange(design.n_splits), design.n_seeds),
        n_patients=int(y[tested].sum()),
    )
    true: list[float] = []
    for _ in range(n_trainings if design.n_splits == 1 else 0):
        accuracies = train(rng, X, y, parts[0] == TRAIN).true_accuracy(means)
        true.append(float(accuracies[0] - accuracies[1]))
    return test, float(np.mean(true)) if true else float("nan")


def run_design(design: Design, replications: int) -> Outcome:
    """Simulate studies of a design and count false alarms and missed differences."""
    rng = make_rng("classification", *asdict(design).values())
    alarms, missed = 0, 0
    for _ in range(replications):
        test, true = simulate(rng, design)
        alarms += test.p < 0.05
        missed += not (test.low <= true <= test.high)
    rate, miss = alarms / replications, missed / replications
    single = design.n_splits == 1
    return Outcome(
        design=design,
        alarms=rate,
        alarms_error=float(np.sqrt(rate * (1 - rate) / replications)),
        conditional=miss if single else None,
        conditional_error=float(np.sqrt(miss * (1 - miss) / replications)) if single else None,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both parts and write the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--replications", type=int, default=REPLICATIONS)
    options = parser.parse_args(arguments)
    parts = {}
    for name, designs in (("grid", GRID), ("one_split", ONE_SPLIT)):
        outcomes = [run_design(design, options.replications) for design in designs]
        parts[name] = [asdict(outcome) for outcome in outcomes]
        for outcome in outcomes:
            print(name, outcome, flush=True)
    write_json(options.json, {"replications": options.replications, **parts})


if __name__ == "__main__":
    main()

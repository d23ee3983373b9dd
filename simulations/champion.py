"""Bias of the gain of a generator that was chosen among eight equally good ones.

    python -m simulations.champion --json docs/results/simulations/champion.json

Nine arms are trained on the same images: a control and eight generators, none better than another.
Half of what an arm sees of an image (variance of the features) is shared by all arms, the rest is
its own. 200 images, a fifth of them rare, 15 % for validation, hold-outs of 25 % or folds. The luck
of a training is noise on its direction and threshold. Balanced accuracy of the chosen arm minus
that of the control on the test images of the same run should be 0. Four rules choose the arm:

- best_mean: the best mean over the validation images of all cells, as before;
- untested: the same on the validation patients that no test set holds (there are none with folds);
- other_splits: for every split the best mean of the other splits, on their validation patients that
  this split does not test;
- other_seeds: for every run the best mean of the other seeds of its split, as
  `equipoise.results.champion.choose` does; with a single seed it does other_splits.

Bias is the mean over studies of the chosen gain minus the mean gain of all eight, which has the
same expectation and less noise. It has two parts. `luck` is how much better the chosen trained
models truly are, on all images that could be drawn: arms that are equally good over training sets
are not equally good on one. The rest is the test patients' or the same training's luck, printed as
a gain that is not there. `alarms`: share of studies in which `paired_test` calls the choice of
other_seeds different from the control at 5 %; `chosen`, where the first arm truly is better: share
of runs in which it is chosen, and the mean gain (then over the control).
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from equipoise.atomic import write_json
from equipoise.metrics.base import Values
from equipoise.metrics.statistics import paired_test, patient_draws
from equipoise.randomness import make_rng
from equipoise.results.champion import mean_of_other_seeds
from simulations.nearest_means import (
    DISTANCE,
    TEST,
    VALIDATION,
    Codes,
    balanced_accuracies,
    draw_parts,
    train,
)

N_IMAGES, N_GENERATORS, N_DRAWS, REPLICATIONS = 200, 8, 100, 1000
SHARED = 0.5  # of the variance of the features
RULES = ("best_mean", "untested", "other_splits", "other_seeds")


@dataclass(frozen=True, kw_only=True)
class Design:
    """A study: splits, seeds, features of an arm, luck of a training, and a better first arm."""

    kind: str
    n_splits: int
    n_seeds: int
    width: int = 6
    noise: float = 0.3
    better: float = 0.0


DESIGNS = (
    Design(kind="hold-out", n_splits=1, n_seeds=3),
    Design(kind="hold-out", n_splits=3, n_seeds=3),
    Design(kind="hold-out", n_splits=3, n_seeds=3, width=40),
    Design(kind="hold-out", n_splits=3, n_seeds=3, noise=0.8),
    Design(kind="hold-out", n_splits=5, n_seeds=3),
    Design(kind="k-fold", n_splits=5, n_seeds=3),
    Design(kind="k-fold", n_splits=5, n_seeds=3, width=40),
    # A single seed: no other training of the split to choose by.
    Design(kind="hold-out", n_splits=3, n_seeds=1),
    Design(kind="k-fold", n_splits=5, n_seeds=1),
    Design(kind="k-fold", n_splits=5, n_seeds=1, width=40),
    Design(kind="hold-out", n_splits=3, n_seeds=3, better=0.6),
    Design(kind="k-fold", n_splits=5, n_seeds=3, better=0.6),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """Balanced accuracies of one simulated study.

    Attributes:
        y: (n,) classes.
        parts: (splits, n) part of each image.
        test: (splits, seeds, arms) on the test images; the control is arm 0.
        true: The same on all images that could be drawn.
        validation: (splits, splits, seeds, generators): of the cells of the second split, on their
            validation images that the first does not test.
        untested: (splits, seeds, generators) on the validation images that no split tests.
        right: (splits, seeds, arms, n) whether an image is classified correctly.
    """

    y: Codes
    parts: Codes
    test: Values
    true: Values
    validation: Values
    untested: Values
    right: Values


@dataclass(frozen=True, kw_only=True)
class RuleOutcome:
    """Mean gain of a rule and its Monte-Carlo standard error; see the module."""

    gain: float
    error: float
    luck: float
    chosen: float


@dataclass(frozen=True, kw_only=True)
class DesignOutcome:
    """What happened in the studies of a design."""

    design: Design
    rules: dict[str, RuleOutcome]
    alarms: float | None
    alarms_error: float | None


def simulate(rng: np.random.Generator, design: Design) -> Study:
    """Train and test every arm on every split with every seed."""
    n, k = N_IMAGES, design.n_splits
    y = (np.arange(n) < n // 5).astype(np.int64)
    shape = (1 + N_GENERATORS, n, design.width)
    means = np.full((shape[0], design.width), DISTANCE / np.sqrt(design.width))
    means[1] *= 1 + design.better
    X = np.sqrt(1 - SHARED) * rng.normal(size=shape)
    X += np.sqrt(SHARED) * rng.normal(size=shape[1:]) + means[:, None] * y[:, None]
    parts = draw_parts(rng, design.kind, k, y, validation=0.15)
    right = np.zeros((k, design.n_seeds, shape[0], n))
    true = np.zeros((k, design.n_seeds, shape[0]))
    for s, j in np.ndindex(true.shape[:2]):
        trained = train(rng, X, y, parts[s] == 0, noise=design.noise)
        right[s, j] = trained.right(X, y)
        true[s, j] = trained.true_accuracy(means)
    tested = parts == TEST
    test = np.zeros(true.shape)
    validation = np.zeros((k, k, design.n_seeds, N_GENERATORS))
    untested = np.zeros((k, design.n_seeds, N_GENERATORS))
    for t, j in np.ndindex(true.shape[:2]):
        masks = (parts[t] == VALIDATION) & ~np.vstack([tested, tested.any(axis=0)])
        weights = np.vstack([masks, tested[t]]).astype(np.float64)
        values = balanced_accuracies(right[t, j], y, weights)  # (arms, splits + 2)
        validation[:, t, j] = values[1:, :k].T
        untested[t, j] = values[1:, k]
        test[t, j] = values[:, k + 1]
    return Study(
        y=y, parts=parts, test=test, true=true, validation=validation, untested=untested,
        right=right,
    )  # fmt: skip


def choices(study: Study) -> dict[str, Codes]:
    """Return the generator (splits, seeds) that each rule with a basis chooses."""
    k, n_seeds = study.test.shape[:2]
    own = np.stack([study.validation[s, s] for s in range(k)])  # (splits, seeds, generators)
    bases: dict[str, Values] = {"best_mean": own.mean(axis=(0, 1))}
    defined = np.isfinite(study.untested).all(axis=2)
    if defined.any():
        bases["untested"] = study.untested[defined].mean(axis=0)
    if k > 1:
        others = []
        for s in range(k):
            of_others = np.delete(study.validation[s], s, axis=0).reshape(-1, N_GENERATORS)
            known = np.isfinite(of_others).all(axis=1)
            others.append(of_others[known].mean(axis=0))
        bases["other_splits"] = np.stack(others)[:, None]
    if n_seeds > 1:
        bases["other_seeds"] = mean_of_other_seeds(own.swapaxes(1, 2)).swapaxes(1, 2)
    elif k > 1:
        bases["other_seeds"] = bases["other_splits"]
    return {
        rule: np.broadcast_to(values, own.shape).argmax(axis=2) for rule, values in bases.items()
    }


def is_called_different(rng: np.random.Generator, study: Study, chosen: Codes) -> bool:
    """Return whether the chosen cells differ from the control's at 5 %."""
    k, n_seeds = chosen.shape
    tested = np.flatnonzero((study.parts == TEST).any(axis=0))
    weights = np.zeros((N_DRAWS, N_IMAGES))
    (weights[:, tested],) = patient_draws(study.y[tested], rng, n_draws=N_DRAWS, block=N_DRAWS)
    differences, draws = [], []
    for s, j in np.ndindex(k, n_seeds):
        arms = [0, 1 + int(chosen[s, j])]
        of_test = weights * (study.parts[s] == TEST)
        values = balanced_accuracies(study.right[s, j, arms], study.y, of_test)
        draws.append(values[1] - values[0])
        differences.append(study.test[s, j, arms[1]] - study.test[s, j, 0])
    test = paired_test(
        np.array(differences),
        np.stack(draws),
        np.repeat(np.arange(k), n_seeds),
        n_patients=int(study.y[tested].sum()),
    )
    return bool(test.p < 0.05)


def run_design(design: Design, replications: int) -> DesignOutcome:
    """Simulate the studies of a design and apply every rule to each."""
    rng = make_rng("champion", *asdict(design).values())
    gains: dict[str, list[tuple[float, float, float]]] = {rule: [] for rule in RULES}
    alarms = []
    for _ in range(replications):
        study = simulate(rng, design)
        gain = study.test[:, :, 1:] - study.test[:, :, :1]
        luck = study.true[:, :, 1:] - study.true[:, :, :1]
        if not design.better:
            gain = gain - gain.mean(axis=2, keepdims=True)
            luck = luck - luck.mean(axis=2, keepdims=True)
        chosen_by = choices(study)
        for rule, chosen in chosen_by.items():
            picked = chosen[..., None]
            values = [np.take_along_axis(v, picked, axis=2).mean() for v in (gain, luck)]
            gains[rule].append((values[0], values[1], float((chosen == 0).mean())))
        if not design.better:
            alarms.append(is_called_different(rng, study, chosen_by["other_seeds"]))
    rules = {}
    for rule, rows in gains.items():
        if len(rows) < replications / 2:
            continue
        means = np.mean(rows, axis=0)
        error = float(np.std([row[0] for row in rows], ddof=1) / np.sqrt(len(rows)))
        rules[rule] = RuleOutcome(
            gain=float(means[0]), error=error, luck=float(means[1]), chosen=float(means[2])
        )
    rate = float(np.mean(alarms)) if alarms else None
    return DesignOutcome(
        design=design,
        rules=rules,
        alarms=rate,
        alarms_error=None if rate is None else float(np.sqrt(rate * (1 - rate) / len(alarms))),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every design and write the outcomes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--replications", type=int, default=REPLICATIONS)
    options = parser.parse_args(arguments)
    outcomes = []
    for design in DESIGNS:
        outcome = run_design(design, options.replications)
        outcomes.append(asdict(outcome))
        print(outcome)
    write_json(options.json, {"replications": options.replications, "designs": outcomes})


if __name__ == "__main__":
    main()

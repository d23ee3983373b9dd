"""How often the interval of one method covers the truth, with 5 to 30 patients of the rare class.

    python -m simulations.intervals --json docs/results/simulations/intervals.json

Scores of the two classes are normal, a distance d apart, and a class is called at a threshold. The
truth is the metric of 400,000 images with the same class shares. Two intervals, nominal .95:

- percentile: of a bootstrap over patients (`patient_draws`), as before;
- posterior: `equipoise.metrics.intervals`, as in the tables.

Designs: a single run; three seeds on one test set, which agree on most of what is hard in an image;
three splits whose test sets overlap (hold-outs of a quarter of the patients); three folds. The
interval is about the mean over the runs.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from equipoise.atomic import write_json
from equipoise.metrics.base import Predictions, Values
from equipoise.metrics.classification import METRICS
from equipoise.metrics.intervals import (
    metric_interval,
    patient_masses,
    posterior_draws,
    with_imagined,
)
from equipoise.metrics.statistics import mean_known, patient_draws, percentile_interval
from equipoise.randomness import make_rng
from simulations.nearest_means import TEST, Codes, draw_parts

REPLICATIONS, N_DRAWS, N_POPULATION = 1000, 400, 400_000
AGREEMENT = 0.8  # of the variance of scores within a class, shared by the runs
# Of two classes the others are the same as one of these, or need more classes.
MEASURED = tuple(name for name in METRICS if name not in ("rare_auroc", "macro_auprc"))


@dataclass(frozen=True, kw_only=True)
class Design:
    """Test sets and classifier.

    Attributes:
        n_rare: Rare patients in each test set.
        others: Other patients for each rare one.
        distance: Between the classes, in standard deviations.
        shift: Of the scores towards the rare class.
        kind: "hold-out" or "k-fold".
        n_splits: Splits.
        n_seeds: Seeds of each.
    """

    n_rare: int
    others: int = 4
    distance: float = 1.5
    shift: float = 0.0
    kind: str = "hold-out"
    n_splits: int = 1
    n_seeds: int = 1


DESIGNS = (
    Design(n_rare=5),
    Design(n_rare=8),
    Design(n_rare=15),
    Design(n_rare=30),
    Design(n_rare=8, shift=1.0),
    Design(n_rare=8, shift=-1.0),
    Design(n_rare=8, distance=2.5),
    Design(n_rare=15, distance=2.5, shift=1.0),
    Design(n_rare=10, others=19, shift=1.0),
    Design(n_rare=8, n_seeds=3),
    Design(n_rare=15, n_seeds=3),
    Design(n_rare=8, n_splits=3),
    Design(n_rare=15, n_splits=3),
    Design(n_rare=5, kind="k-fold", n_splits=3),
    Design(n_rare=10, kind="k-fold", n_splits=3),
)


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Shares of replications in which an interval holds the truth, with their standard errors."""

    truth: float
    percentile: float
    percentile_error: float
    posterior: float
    posterior_error: float
    percentile_width: float
    posterior_width: float


def predictions_of(y: Codes, scores: Values) -> Predictions:
    """Return predictions whose probability of the rare class is the logistic of the scores."""
    probability = expit(scores)
    return Predictions(
        y_true=y, y_score=np.stack([1 - probability, probability], axis=1), positive=1
    )


def truth_of(design: Design) -> Values:
    """Compute every measured metric of very many images with the same class shares."""
    n_rare = N_POPULATION // (design.others + 1)
    y = np.repeat([0, 1], [N_POPULATION - n_rare, n_rare])
    d = design.distance
    scores = make_rng("population").normal(size=len(y)) + d * (y - 0.5)
    predictions = predictions_of(y, d * scores + design.shift)
    return np.array([METRICS[name].rule(predictions)[0] for name in MEASURED])


def draw_runs(
    rng: np.random.Generator, design: Design
) -> tuple[Codes, list[tuple[Codes, Predictions]]]:
    """Draw (n,) classes of all patients, and the tested patients and predictions of every run."""
    n_sets = design.n_splits if design.kind == "k-fold" else 4
    n_rare = design.n_rare * (1 if design.n_splits == 1 else n_sets)
    y = np.repeat([0, 1], [design.others * n_rare, n_rare]).astype(np.int64)
    if design.n_splits == 1:
        parts = np.full((1, len(y)), TEST)
    else:
        parts = draw_parts(rng, design.kind, design.n_splits, y)
    shared = rng.normal(size=len(y))
    runs = []
    for part in parts:
        tested = np.flatnonzero(part == TEST)
        for _ in range(design.n_seeds):
            own = rng.normal(size=len(tested))
            noise = np.sqrt(AGREEMENT) * shared[tested] + np.sqrt(1 - AGREEMENT) * own
            d = design.distance
            scores = d * (noise + d * (y[tested] - 0.5)) + design.shift
            runs.append((tested, predictions_of(y[tested], scores)))
    return y, runs


def intervals_of(
    rng: np.random.Generator, y: Codes, runs: Sequence[tuple[Codes, Predictions]]
) -> tuple[Values, Values]:
    """Return the percentile and the posterior intervals (metrics, 2) of the mean over runs."""
    known = np.unique(np.concatenate([tested for tested, _ in runs]))
    (weights,) = patient_draws(y[known], rng, n_draws=N_DRAWS, block=N_DRAWS)
    plain = [(tested, p, weights[:, np.searchsorted(known, tested)]) for tested, p in runs]
    values = metrics_of([(tested, p, np.ones((1, len(tested)))) for tested, p in runs])[:, 0]
    drawn = metrics_of(plain)
    percentile = [percentile_interval(draws) for draws in drawn]
    extended = [with_imagined(p, tested) for tested, p in runs]
    known = np.unique(np.concatenate([patients for _, patients in extended]))
    classes = np.where(known < 0, (-1 - known) // 2, y[known])
    tested_by_run = np.stack([np.isin(known, patients) for _, patients in extended])
    masses = patient_masses(known, classes, tested_by_run, 2)
    (weights,) = posterior_draws(classes, masses, rng, n_draws=N_DRAWS, block=N_DRAWS)
    imagined = [
        (patients, p, weights[:, np.searchsorted(known, patients)]) for p, patients in extended
    ]
    posterior = []
    for value, draws in zip(values, metrics_of(imagined), strict=True):
        posterior.append(metric_interval(value, draws))
    return np.array(percentile), np.array(posterior)


def metrics_of(runs: Sequence[tuple[Codes, Predictions, Values]]) -> Values:
    """Compute every measured metric (metrics, b), the mean over runs, under weights (b, n)."""
    of_runs = []
    for _, predictions, weights in runs:
        weighted = predictions.reweighted(weights)
        of_runs.append([METRICS[name].rule(weighted) for name in MEASURED])
    return mean_known(np.array(of_runs))


def run_design(design: Design, replications: int) -> dict[str, Coverage]:
    """Count for every metric how often both intervals hold the truth."""
    rng = make_rng("intervals", *asdict(design).values())
    truth = truth_of(design)
    covered = np.zeros((2, len(MEASURED)))
    widths = np.zeros((2, len(MEASURED)))
    for _ in range(replications):
        for i, ends in enumerate(intervals_of(rng, *draw_runs(rng, design))):
            covered[i] += (ends[:, 0] <= truth) & (truth <= ends[:, 1])
            widths[i] += ends[:, 1] - ends[:, 0]
    rates = covered / replications
    errors = np.sqrt(rates * (1 - rates) / replications)
    coverages = {}
    for m, name in enumerate(MEASURED):
        coverages[name] = Coverage(
            truth=float(truth[m]),
            percentile=float(rates[0, m]),
            percentile_error=float(errors[0, m]),
            posterior=float(rates[1, m]),
            posterior_error=float(errors[1, m]),
            percentile_width=float(widths[0, m] / replications),
            posterior_width=float(widths[1, m] / replications),
        )
    return coverages


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every design and write the coverages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--replications", type=int, default=REPLICATIONS)
    options = parser.parse_args(arguments)
    outcomes = []
    for design in DESIGNS:
        coverages = run_design(design, options.replications)
        metrics = {name: asdict(coverage) for name, coverage in coverages.items()}
        outcomes.append({"design": asdict(design), "metrics": metrics})
        print(design)
        for name, c in coverages.items():
            print(f"  {name:20s} percentile {c.percentile:.3f}  posterior {c.posterior:.3f}")
    write_json(options.json, {"replications": options.replications, "designs": outcomes})


if __name__ == "__main__":
    main()

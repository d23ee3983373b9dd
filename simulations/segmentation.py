"""False alarms and coverage of the test of volume comparisons: patients or folds as units.

    python -m simulations.segmentation --json docs/results/simulations/segmentation.json

Nothing differs between two methods. The difference in patient i of fold f, mean over seeds, is

    d_i = sqrt(c) * F_f + sqrt(1 - c) * E_i

with standard normal F (what the networks of a fold share) and E (the patient), so that c is the
within-fold correlation. An alarm is a 95 % interval that does not contain the truth; for these
differences coverage is 1 minus the false alarms. Three intervals are compared:

- old: Student's t over patients (jackknife), as if no two shared their networks;
- sum: S^2 / k + V with Satterthwaite's degrees of freedom, folds as units, patients added;
- new: `equipoise.metrics.fold_test`, which is sum, but never narrower than t over the folds alone.

Parts:

- grid: patients x folds x correlation; with 2 folds the product tests nothing (`tested` is false);
- leave_one_out: every fold has one patient;
- unequal: folds of several sizes (those of a study differ by at most one patient);
- seeds: F and E each have a part per seed, three seeds averaged;
- one_split: one fold, 2 to 5 seeds, the truth being that of networks trained on these patients;
- overlap: the F_f of different folds correlate, because training parts overlap; no test on one
  data set can see this, and the variance over patients is added for it;
- dice: one method; Dice between 0 and 1 and skewed, its mean over patients and pooled over voxels;
  coverage of the method's interval.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit

from equipoise.atomic import JsonObject, JsonValue, write_json
from equipoise.metrics.statistics import CONFIDENCE
from equipoise.randomness import make_rng

Values = NDArray[np.float64]

REPLICATIONS = 20_000
PATIENTS = (12, 24, 30, 100)
FOLDS = (2, 3, 4, 5, 6, 10)
CORRELATIONS = (0.0, 0.1, 0.2, 0.3, 0.4)
FEWEST_FOLDS = 3
ISSUE = ((24, 6), (30, 5), (100, 5))  # (patients, folds) of the designs that are looked at closely


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How often the truth lies outside each interval, and how wide the intervals are.

    Attributes:
        sizes: Patients of each fold.
        correlation: Within-fold correlation.
        overlap: Correlation of what different folds share.
        old: Share of replications in which the interval over patients misses the truth.
        sum: The same of S^2 / k + V.
        new: The same of the product's interval.
        error: Monte-Carlo standard error of `new`.
        wider: Median half width of `new` as a multiple of `old`.
        tested: Whether the product tests this design.
    """

    sizes: tuple[int, ...]
    correlation: float
    overlap: float
    old: float
    sum: float
    new: float
    error: float
    wider: float
    tested: bool


@dataclass(frozen=True, kw_only=True)
class HalfWidths:
    """(r,) numbers of r replications, and half the widths of their intervals."""

    value: Values
    old: Values
    sum: Values
    new: Values


def half_widths(hits: Values, totals: Values, folds: NDArray[np.int64]) -> HalfWidths:
    """Compute the three intervals of sum of `hits` / sum of `totals`, a mean or a pooled number.

    Args:
        hits: (r, n) numerator of each patient.
        totals: (r, n) denominator; ones for a mean.
        folds: (n,) fold of each patient, codes 0..k-1.
    """
    n, k = len(folds), int(folds.max()) + 1
    value = hits.sum(axis=1) / totals.sum(axis=1)
    V = _jackknife(hits, totals)
    critical = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)
    old = critical * np.sqrt(V)
    if k == n:
        return HalfWidths(value=value, old=old, sum=old, new=old)
    member = (folds[:, None] == np.arange(k)).astype(float)  # (n, k)
    S = _jackknife(hits @ member, totals @ member)
    freedom = (S + V) ** 2 / (S**2 / (k - 1) + V**2 / (n - 1))
    both = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(S + V)
    alone = stats.t.ppf((1 + CONFIDENCE) / 2, k - 1) * np.sqrt(S)
    return HalfWidths(value=value, old=old, sum=both, new=np.maximum(both, alone))


def _jackknife(hits: Values, totals: Values) -> Values:
    """Compute the jackknife variance of a ratio of sums over (r, u) units."""
    u = hits.shape[1]
    without = hits.sum(axis=1, keepdims=True) - hits
    without = without / (totals.sum(axis=1, keepdims=True) - totals)
    return np.asarray((u - 1) * without.var(axis=1))


def even_sizes(n_patients: int, n_folds: int) -> tuple[int, ...]:
    """Return the sizes of folds that differ by at most one patient."""
    small, n_large = divmod(n_patients, n_folds)
    return (small + 1,) * n_large + (small,) * (n_folds - n_large)


def draw_differences(
    sizes: Sequence[int], correlation: float, overlap: float, rng: np.random.Generator, n: int
) -> Values:
    """Draw (n, patients) differences of methods that are equally good."""
    k = len(sizes)
    common, single = rng.normal(size=(n, 1)), rng.normal(size=(n, k))
    shared = np.sqrt(overlap) * common + np.sqrt(1 - overlap) * single
    patients = rng.normal(size=(n, sum(sizes)))
    by_patient = np.repeat(shared, sizes, axis=1)
    return np.asarray(np.sqrt(correlation) * by_patient + np.sqrt(1 - correlation) * patients)


def outcome(
    widths: HalfWidths,
    truth: Values | float,
    sizes: Sequence[int],
    correlation: float,
    overlap: float = 0.0,
) -> Outcome:
    """Count how often the truth is outside."""
    distance = np.abs(widths.value - truth)
    missed = float(np.mean(distance > widths.new))
    return Outcome(
        sizes=tuple(sizes),
        correlation=correlation,
        overlap=overlap,
        old=round(float(np.mean(distance > widths.old)), 4),
        sum=round(float(np.mean(distance > widths.sum)), 4),
        new=round(missed, 4),
        error=round(float(np.sqrt(missed * (1 - missed) / len(distance))), 4),
        wider=round(float(np.median(widths.new) / np.median(widths.old)), 3),
        tested=len(sizes) >= FEWEST_FOLDS,
    )


def of_means(
    sizes: Sequence[int], correlation: float, n: int, name: str, overlap: float = 0.0
) -> Outcome:
    """Simulate a design of mean differences."""
    rng = make_rng(0, f"{name} {sizes} {correlation} {overlap}")
    differences = draw_differences(sizes, correlation, overlap, rng, n)
    folds = np.repeat(np.arange(len(sizes)), sizes)
    widths = half_widths(differences, np.ones_like(differences), folds)
    return outcome(widths, 0.0, sizes, correlation, overlap)


def grid(n: int) -> Iterator[Outcome]:
    """Yield patients x folds x correlation."""
    for n_patients in PATIENTS:
        for n_folds in FOLDS:
            for correlation in CORRELATIONS:
                yield of_means(even_sizes(n_patients, n_folds), correlation, n, "grid")


def leave_one_out(n: int) -> Iterator[Outcome]:
    """Yield designs with one patient in every fold."""
    for n_patients in (3, 4, 6, 12, 24):
        yield of_means((1,) * n_patients, 0.3, n, "leave one out")


def unequal(n: int) -> Iterator[Outcome]:
    """Yield folds of several sizes, the last two beyond what a study has."""
    for sizes in ((2, 2, 1, 1, 1), (6, 6, 5, 5, 5), (2, 4, 6, 8, 10), (1, 1, 1, 1, 26)):
        for correlation in CORRELATIONS:
            yield of_means(sizes, correlation, n, "unequal")


def overlapping(n: int) -> Iterator[Outcome]:
    """Yield folds that are alike because their training parts overlap."""
    for n_patients, n_folds in ISSUE:
        for overlap in (0.1, 0.2):
            for correlation in CORRELATIONS:
                sizes = even_sizes(n_patients, n_folds)
                yield of_means(sizes, correlation, n, "overlap", overlap)


def three_seeds(n: int) -> Iterator[Outcome]:
    """Yield three seeds averaged: F and E each have a part that every seed draws anew."""
    for n_patients, n_folds in ISSUE:
        for correlation in CORRELATIONS:
            sizes = even_sizes(n_patients, n_folds)
            rng = make_rng(0, f"seeds {sizes} {correlation}")
            differences = draw_differences(sizes, correlation, 0.0, rng, n)
            for _ in range(3):
                differences += draw_differences(sizes, correlation, 0.0, rng, n) / 3
            folds = np.repeat(np.arange(n_folds), sizes)
            widths = half_widths(differences, np.ones_like(differences), folds)
            yield outcome(widths, 0.0, sizes, correlation)


def one_split(n: int) -> Iterator[dict[str, JsonValue]]:
    """Yield one fold with several seeds, which take the place of folds.

    Every network has its own effect on all patients (variance `correlation` of one seed's
    difference); the patient's part is the same for every seed.
    """
    for n_patients in (12, 30, 100):
        for n_seeds in (2, 3, 5):
            for correlation in CORRELATIONS:
                rng = make_rng(0, f"split {n_patients} {n_seeds} {correlation}")
                seeds = np.sqrt(correlation) * rng.normal(size=(n, n_seeds))
                patients = np.sqrt(1 - correlation) * rng.normal(size=(n, n_patients))
                value = seeds.mean(axis=1) + patients.mean(axis=1)
                S = seeds.var(axis=1, ddof=1) / n_seeds
                V = patients.var(axis=1, ddof=1) / n_patients
                freedom = (S + V) ** 2 / (S**2 / (n_seeds - 1) + V**2 / (n_patients - 1))
                both = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(S + V)
                alone = stats.t.ppf((1 + CONFIDENCE) / 2, n_seeds - 1) * np.sqrt(S)
                missed = float(np.mean(np.abs(value) > np.maximum(both, alone)))
                yield {
                    "patients": n_patients,
                    "seeds": n_seeds,
                    "correlation": correlation,
                    "new": round(missed, 4),
                    "error": round(float(np.sqrt(missed * (1 - missed) / n)), 4),
                }


def dice(n: int) -> Iterator[dict[str, JsonValue]]:
    """Yield the coverage of the interval of one method: mean and pooled Dice, skewed in 0..1."""
    for n_patients, n_folds in ISSUE:
        for correlation in (0.0, 0.2, 0.4):
            sizes = even_sizes(n_patients, n_folds)
            rng = make_rng(0, f"dice {sizes} {correlation}")
            values = expit(1.0 + draw_differences(sizes, correlation, 0.0, rng, n))
            volumes = np.exp(0.8 * rng.normal(size=values.shape))
            folds = np.repeat(np.arange(n_folds), sizes)
            for name, totals in (("mean", np.ones_like(values)), ("pooled", volumes)):
                hits = values * totals
                truth = float(hits.sum() / totals.sum())
                row = outcome(half_widths(hits, totals, folds), truth, sizes, correlation)
                yield {
                    "dice": name,
                    "patients": n_patients,
                    "folds": n_folds,
                    "correlation": correlation,
                    "coverage_old": round(1 - row.old, 4),
                    "coverage_new": round(1 - row.new, 4),
                    "error": row.error,
                }


def simulate(n: int = REPLICATIONS) -> JsonObject:
    """Run every part with n replications of each design."""
    parts = {
        "grid": grid,
        "leave_one_out": leave_one_out,
        "unequal": unequal,
        "seeds": three_seeds,
        "overlap": overlapping,
    }
    outcomes: dict[str, JsonValue] = {}
    for name, part in parts.items():
        outcomes[name] = [as_json(row) for row in part(n)]
    return {
        "command": "python -m simulations.segmentation",
        "replications": n,
        **outcomes,
        "one_split": list(one_split(n)),
        "dice": list(dice(n)),
    }


def as_json(row: Outcome) -> dict[str, JsonValue]:
    """Return an outcome with the number of patients and folds in front."""
    fields = asdict(row)
    sizes = list(fields.pop("sizes"))
    return {"patients": sum(sizes), "folds": len(sizes), "sizes": sizes, **fields}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    write_json(parser.parse_args().json, simulate())

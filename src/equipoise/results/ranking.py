"""Rank methods over several data sets (Demsar 2006)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import reading
from equipoise.checksums import check_file
from equipoise.csv_cells import read_lines
from equipoise.discovery import pick
from equipoise.exceptions import DataError
from equipoise.metrics.classification import METRICS
from equipoise.metrics.decisions import DECIDED
from equipoise.metrics.rank_tests import average_ranks, cliques, critical_difference, friedman

FEWEST_SETS, FEWEST_METHODS = 3, 3
RANKED = {**METRICS, **DECIDED}  # metrics by which methods are ranked


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Methods over data sets, the best first.

    Attributes:
        metric: What was ranked.
        methods: Names, by average rank.
        ranks: Average rank of each; 1 is the best of all on every data set.
        sets: Names of the data sets.
        values: (methods, sets) mean of each method on each data set, in the order of `methods`.
        chi2: Friedman's statistic.
        f: The same as the F of Iman and Davenport (1980) with k - 1 and (k - 1)(n - 1) degrees of
            freedom.
        p: p value of F: that all methods are alike.
        critical_difference: Nemenyi's: average ranks that differ by less are not distinguishable at
            5 %.
        cliques: Groups of neighbors in rank, (first, last) position, no two of which differ by
            Wilcoxon's test with Holm's correction.
        left_out: Methods that not every data set has.
    """

    metric: str
    methods: tuple[str, ...]
    ranks: tuple[float, ...]
    sets: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    chi2: float
    f: float
    p: float
    critical_difference: float
    cliques: tuple[tuple[int, int], ...]
    left_out: tuple[str, ...]

    @property
    def best(self) -> tuple[float, ...]:
        """The best value on each data set."""
        best = max if RANKED[self.metric].higher_is_better else min
        return tuple(map(best, zip(*self.values, strict=True)))


def rank_runs(folders: Sequence[Path], metric: str = "decided_balanced_accuracy") -> Ranking:
    """Rank the methods that all runs share by their mean of a metric in each run's table.csv.

    The runs should be of different data sets: a data set with two runs is counted twice.

    Source: Demsar (2006).

    Raises:
        SettingError: Unknown metric.
        DataError: Fewer than 3 runs, fewer than 3 methods in common, a run named twice, or runs
            that cannot be ranked; names all of them.
    """
    pick(RANKED, metric, "metric")
    n_different = len({folder.resolve() for folder in folders})
    if n_different < max(FEWEST_SETS, len(folders)):
        raise DataError(
            f"Expected at least {FEWEST_SETS} different run folders, got {n_different}"
            f"{', some named twice' * (n_different < len(folders))}. Add runs on other data sets."
        )
    means: list[dict[str, float]] = []
    problems: list[str] = []
    for folder in folders:
        try:
            means.append(_read_means(folder, metric))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    names = list(dict.fromkeys(name for of_run in means for name in of_run))
    shared = [name for name in names if all(name in of_run for of_run in means)]
    if len(shared) < FEWEST_METHODS:
        raise DataError(
            f"Expected at least {FEWEST_METHODS} methods with a finished run in every folder, got "
            f"{len(shared)}{_quoted(shared)}. Run the same --methods on every data set."
        )
    values = np.empty((len(folders), len(shared)))
    for row, of_run in enumerate(means):
        values[row] = [of_run[name] for name in shared]
    left_out = [name for name in names if name not in shared]
    sets = [folder.resolve().name for folder in folders]
    if len(set(sets)) < len(sets):
        sets = list(map(str, folders))
    return replace(rank_methods(values, shared, sets, metric), left_out=tuple(left_out))


def rank_methods(
    values: NDArray[np.float64], names: Sequence[str], sets: Sequence[str], metric: str
) -> Ranking:
    """Rank methods by their values on several data sets.

    Args:
        values: (n data sets, k methods).
        names: (k,) names of the methods.
        sets: (n,) names of the data sets.
        metric: Name of what was measured.
    """
    higher_is_better = RANKED[metric].higher_is_better
    ascending = values if higher_is_better else -values  # the largest is the best
    ranks = average_ranks(ascending)
    order = np.argsort(ranks, kind="stable")
    n, k = values.shape
    chi2, f, p = friedman(ranks, n)
    return Ranking(
        metric=metric,
        methods=tuple(names[i] for i in order),
        ranks=tuple(ranks[order].tolist()),
        sets=tuple(sets),
        values=tuple(map(tuple, values.T[order].tolist())),
        chi2=chi2,
        f=f,
        p=p,
        critical_difference=critical_difference(k, n),
        cliques=tuple(cliques(ascending[:, order])),
        left_out=(),
    )


def _read_means(folder: Path, metric: str) -> dict[str, float]:
    """Read the mean of each method that has one."""
    path = folder / "table.csv"
    check_file(path)
    if not path.is_file():
        raise DataError(
            f"Expected the folder of a run, found no table.csv in {folder}. "
            "Write it with: equipoise report."
        )
    means = {}
    metrics: set[str] = set()
    n_failed: dict[str, int] = {}  # method -> failed cells
    n_finished = 0
    with reading(path), path.open(newline="", encoding="utf-8") as file:
        for line in read_lines(file):
            metrics.add(line["metric"])
            n_failed[line["method"]] = int(line.get("n_failed") or 0)
            n_finished += bool(line["mean"])
            if line["metric"] == metric and line["mean"]:
                means[line["method"]] = float(line["mean"])
    if not n_finished:
        failed = sum(n_failed.values())
        why = f": {failed} failed, report.html says why" if failed else ""
        raise DataError(
            f"Expected a finished cell in {folder}, got none{why}. Repeat the command that started "
            "the run, or leave it out."
        )
    if not metrics & RANKED.keys():
        raise DataError(
            f"Expected a run on images in {folder}, got metrics such as "
            f"{', '.join(sorted(metrics)[:3])}, by which no methods are ranked. Leave it out."
        )
    if metric not in metrics:
        raise DataError(
            f"Expected {metric} in {path}, which an earlier version wrote or whose run has another "
            f"primary metric. Write it again with: equipoise report {folder}. Or rank by another "
            "one with --metric, such as auroc."
        )
    return means


def _quoted(names: Sequence[str]) -> str:
    """Return names in parentheses, in quotes: a method may be called none."""
    return f" ({', '.join(map(repr, names))})" if names else ""

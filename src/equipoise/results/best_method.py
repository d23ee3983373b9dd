"""The best method by the primary metric, and its cells by split and seed."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from equipoise.discovery import unknown
from equipoise.exceptions import SettingError
from equipoise.metrics.base import Metric
from equipoise.metrics.statistics import mean_known
from equipoise.runs.cell import Cell
from equipoise.runs.image_run import ImageRun


def best_first(metric: Metric, means: Mapping[str, float]) -> list[str]:
    """Sort methods by their mean of a metric, the best first.

    Equal ones keep their order; those whose mean is not defined come last.

    Example:
        >>> from equipoise.metrics.classification import METRICS
        >>> best_first(METRICS["brier"], {"a": 0.3, "b": float("nan"), "c": 0.1})
        ['c', 'a', 'b']
    """
    sign = 1.0 if metric.higher_is_better else -1.0

    def loss(name: str) -> float:
        return -sign * means[name] if math.isfinite(means[name]) else math.inf

    return sorted(means, key=loss)


def best_method(run: ImageRun, methods: Sequence[str], which: str) -> tuple[str, str]:
    """Choose the method with the best mean of the decisive metric over its finished cells.

    It is the metric of the verdict, so that a method does not win by its operating point alone.

    Args:
        run: The stored predictions.
        methods: At least one to choose from; the first of several equal ones is chosen.
        which: What these methods have in common, for the sentence: "that kept a generator".

    Returns:
        The method, and a sentence that says why.
    """
    metric = run.decisive_metric
    n_cells, means = {}, {}
    for method in methods:
        values = []
        for cell in run.cells_of(method):
            predictions = run.decided(cell)
            values.append(math.nan if predictions is None else float(metric.rule(predictions)[0]))
        n_cells[method] = len(values)
        means[method] = float(mean_known(np.array(values)))

    def basis(method: str) -> str:
        return f"mean of {n_cells[method]} test{'s' * (n_cells[method] != 1)}"

    return best_with_reason(metric, means, basis, which)


def best_with_reason(
    metric: Metric, means: Mapping[str, float], basis: Callable[[str], str], which: str
) -> tuple[str, str]:
    """Choose the method with the best mean of a metric.

    Args:
        metric: What is compared.
        means: The mean of each method, NaN where it is not defined.
        basis: Describes what the mean of a method rests on.
        which: See `best_method`.

    Returns:
        The method, and a sentence that says why.
    """
    best = best_first(metric, means)[0]
    if len(means) == 1:
        return best, f"{best} is the only method of this run {which}."
    return best, (
        f"{best} has the best {metric.label} of the {len(means)} methods {which} "
        f"({means[best]:.3f}, {basis(best)})."
    )


def narrow(cells: Sequence[Cell], *, split: str | None, seed: int | None) -> list[Cell]:
    """Select the cells of a split and of a seed, where one is requested.

    Args:
        cells: Finished cells of one method.
        split: Name of a split; any where None.
        seed: A seed; any where None.

    Raises:
        SettingError: There is none; names those that there are.
    """
    selected = list(cells)
    for kind, requested in (("split", split), ("seed", seed)):
        if requested is None:
            continue
        available = {str(getattr(cell, kind)) for cell in selected}
        if str(requested) not in available:
            expected = f"finished {kind} of {cells[0].method}"
            raise SettingError(unknown(str(requested), available, expected))
        selected = [cell for cell in selected if getattr(cell, kind) == requested]
    return selected

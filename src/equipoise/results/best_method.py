"""The best method of a run, and its cells by split and seed, for commands that use what a run kept."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from equipoise.discovery import pick, unknown
from equipoise.exceptions import SettingError
from equipoise.metrics.base import Metric
from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import mean_known
from equipoise.runs.cell import Cell
from equipoise.runs.image_run import StoredStudy


def best_method(study: StoredStudy, methods: Sequence[str], which: str) -> tuple[str, str]:
    """Give the method with the best mean of the primary metric over its finished cells, and says so.

    Args:
        study: What the run stored.
        methods: At least one to choose from; the first of several equal ones is chosen.
        which: What these methods have in common, for the sentence: "that kept a generator".
    """
    runs = [one.cell.method for one in study.finished]
    return best_by(
        pick(METRICS, study.primary_metric, "metric"),
        _means(study, methods),
        lambda name: f"mean of {runs.count(name)} test{'s' * (runs.count(name) != 1)}",
        which,
    )


def best_by(
    metric: Metric, means: Mapping[str, float], basis: Callable[[str], str], which: str
) -> tuple[str, str]:
    """Give the method with the best mean of a metric, the first of several equal ones, and say so.

    Args:
        metric: What is compared.
        means: Of each method; one that is not known comes last.
        basis: What the mean of a method rests on.
        which: See `best_method`.
    """
    sign = 1 if metric.higher_is_better else -1
    best = max(means, key=lambda name: sign * means[name] if np.isfinite(means[name]) else -np.inf)
    if len(means) == 1:
        return best, f"{best} is the only method of this run {which}."
    return best, (
        f"{best} has the best {metric.label} of the {len(means)} methods {which} "
        f"({means[best]:.3f}, {basis(best)})."
    )


def narrow(cells: Sequence[Cell], *, split: str | None, seed: int | None) -> list[Cell]:
    """Keep the cells of a split and of a seed, where one is asked for; `cells` are of one method.

    Raises:
        SettingError: There is none; says what there is.
    """
    for kind, asked in (("split", split), ("seed", seed)):
        known = [str(getattr(cell, kind)) for cell in cells]
        if asked is not None and str(asked) not in known:
            raise SettingError(
                unknown(str(asked), set(known), f"finished {kind} of {cells[0].method}")
            )
        cells = [cell for cell in cells if asked in (None, getattr(cell, kind))]
    return list(cells)


def _means(study: StoredStudy, methods: Sequence[str]) -> Mapping[str, float]:
    rule = METRICS[study.primary_metric].rule
    values: dict[str, list[float]] = {name: [] for name in methods}
    for one in study.finished:
        if one.cell.method in values:
            values[one.cell.method].append(float(rule(one.predictions)[0]))
    return {name: float(mean_known(np.array(found))) for name, found in values.items()}

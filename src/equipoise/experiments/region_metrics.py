"""The metrics of a study of volumes: every one of `SEGMENTATION_METRICS` on every region and class."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from equipoise.metrics.base import Metric
from equipoise.metrics.segmentation import SEGMENTATION_METRICS, RegionMetric
from equipoise.runs.case_measures import Measures, Values

MEAN_DICE = "mean_dice"
DICE = "dice"


def region_metrics(regions: Iterable[str], classes: Iterable[str] = ()) -> dict[str, Metric]:
    """Make the metrics of regions, and of classes behind them; the first is the mean Dice over the regions.

    Args:
        regions: Names of the regions.
        classes: Names of the foreground classes; one that is a region too is left out.
    """
    regions = list(regions)
    others = {f"class {name}": name for name in classes if name not in regions}
    parts = {**{name: name for name in regions}, **others}
    on_parts = [
        _on(metric, part, label)
        for metric in SEGMENTATION_METRICS.values()
        for part, label in parts.items()
    ]
    return {metric.name: metric for metric in (_mean_dice(regions), *on_parts)}


def name_of(metric: str, part: str) -> str:
    """Name a metric of a region or class: dice_whole, dice_class_edema."""
    return f"{metric}_{part}".replace(" ", "_")


def _on(metric: RegionMetric, part: str, label: str) -> Metric:
    def rule(measures: Measures) -> Values:
        return _known(metric.rule(measures.regions[part], measures.weighting), measures)

    return Metric(
        name=name_of(metric.name, part),
        label=f"{metric.label}, {label}",
        rule=rule,
        summary=metric.summary,
        source=metric.source,
        bounds=metric.bounds,
        higher_is_better=metric.higher_is_better,
    )


def _mean_dice(regions: list[str]) -> Metric:
    dice = SEGMENTATION_METRICS[DICE]

    def rule(measures: Measures) -> Values:
        found = [dice.rule(measures.regions[part], measures.weighting) for part in regions]
        return _known(np.mean(found, axis=0), measures)

    return Metric(
        name=MEAN_DICE,
        label="mean Dice",
        rule=rule,
        summary=f"Mean of the Dice of {', '.join(regions)}",
        source="methods 6.4",
    )


def _known(values: Values, measures: Measures) -> Values:
    """Say nothing under a weighting in which no case counts."""
    return np.where(measures.weighting.sum(axis=1) > 0, values, np.nan)


def dice_names(regions: Iterable[str]) -> tuple[str, ...]:
    """Name the Dice of each region: what is compared beside the mean."""
    return tuple(name_of(DICE, region) for region in regions)


def by_size(regions: Mapping[str, Sequence[int]]) -> list[str]:
    """Order regions from the one of most classes, which holds the others, to that of fewest.

    Regions of equally many classes are in the order of their codes; study.json keeps no order.
    """
    return sorted(regions, key=lambda name: (-len(regions[name]), tuple(regions[name])))

"""The metrics of a study of volumes: `SEGMENTATION_METRICS` on every region and class."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from equipoise.metrics.base import Metric
from equipoise.metrics.segmentation import SEGMENTATION_METRICS, RegionMetric
from equipoise.runs.case_measures import CaseMeasures, Values

MEAN_DICE = "mean_dice"
DICE = "dice"


def region_metrics(regions: Iterable[str], classes: Iterable[str] = ()) -> dict[str, Metric]:
    """Return the metrics of regions and classes by name; the first is the mean Dice over regions.

    Args:
        regions: Names of the regions.
        classes: Names of the foreground classes; one that is a region too is left out.

    >>> list(region_metrics(["whole"], ["edema"]))[:3]
    ['mean_dice', 'dice_whole', 'dice_class_edema']
    """
    regions = list(regions)
    labels = {name: name for name in regions}  # part -> its name in tables
    for name in classes:
        if name not in regions:
            labels[f"class {name}"] = name
    metrics = {MEAN_DICE: mean_dice(regions)}
    for region_metric in SEGMENTATION_METRICS.values():
        for part, label in labels.items():
            metric = metric_on(region_metric, part, label)
            metrics[metric.name] = metric
    return metrics


def name_of(metric: str, part: str) -> str:
    """Return the name of a metric of a region or class: dice_whole, dice_class_edema."""
    return f"{metric}_{part}".replace(" ", "_")


def metric_on(metric: RegionMetric, part: str, label: str) -> Metric:
    """Return a region metric as a metric of a study, measured on one region or class."""

    def rule(measures: CaseMeasures) -> Values:
        values = metric.rule(measures.regions[part], measures.weighting)
        return _nan_without_cases(values, measures)

    return Metric(
        name=name_of(metric.name, part),
        label=f"{metric.label}, {label}",
        rule=rule,
        summary=metric.summary,
        source=metric.source,
        bounds=metric.bounds,
        higher_is_better=metric.higher_is_better,
    )


def mean_dice(regions: Sequence[str]) -> Metric:
    """Return the mean Dice: Dice of each region over the cases, then their plain mean."""
    dice = SEGMENTATION_METRICS[DICE]

    def rule(measures: CaseMeasures) -> Values:
        values = [dice.rule(measures.regions[part], measures.weighting) for part in regions]
        return _nan_without_cases(np.mean(values, axis=0), measures)

    return Metric(
        name=MEAN_DICE,
        label="mean Dice",
        rule=rule,
        summary=f"Mean of the Dice of {', '.join(regions)}",
        source="ours: the mean of the Dice of each region (Menze et al. 2015)",
    )


def _nan_without_cases(values: Values, measures: CaseMeasures) -> Values:
    """Replace values by NaN under weightings in which no case counts."""
    return np.where(measures.weighting.sum(axis=1) > 0, values, np.nan)


def dice_names(regions: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the Dice of each region: compared in addition to the mean."""
    return tuple(name_of(DICE, region) for region in regions)


def by_size(regions: Mapping[str, Sequence[int]]) -> list[str]:
    """Order regions from the one with the most classes to the one with the fewest.

    Regions of equally many classes are in the order of their codes; study.json keeps no order.

    >>> by_size({"core": [1, 3], "whole": [1, 2, 3]})
    ['whole', 'core']
    """
    return sorted(regions, key=lambda name: (-len(regions[name]), tuple(regions[name])))

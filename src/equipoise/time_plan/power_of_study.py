"""What a study of a given number of splits and seeds can find."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import Split
from equipoise.metrics.classification import METRICS
from equipoise.metrics.decisions import decided_metric
from equipoise.results.comparison import FEWEST_PATIENTS
from equipoise.results.power import (
    StudySize,
    assumptions_of,
    detectable,
    obstacle,
    planned_size,
    scaled,
)
from equipoise.results.records import RANKING
from equipoise.time_plan.choosing import Detectable, Options, StudyChoice
from equipoise.time_plan.plan import Outlook
from equipoise.time_plan.spread import ASSUMED_SPREAD, Spread


@dataclass(frozen=True, kw_only=True)
class StudyPower:
    """Detectable differences by number of methods, splits and seeds.

    Attributes:
        dataset: The images.
        splits: The most splits that the study may have.
        primary_metric: Its metric.
        options: Whether splits or seeds are chosen.
        frozen: Whether all methods are heads on the same frozen features.
        spread: How much differences vary.
        unit: What counts as independent, see `StudySize`.
    """

    dataset: ImageDataset
    splits: Sequence[Split]
    primary_metric: str
    options: Options
    frozen: bool
    spread: Spread = ASSUMED_SPREAD
    unit: str = "patient"
    _cache: dict[int, StudySize] = field(default_factory=dict, repr=False)

    def size(self, n_splits: int, n_seeds: int, n_methods: int) -> StudySize:
        """Return the size of a study with the first splits."""
        decisive = decided_metric(METRICS[self.primary_metric])
        n_comparisons = len({decisive.name, RANKING}) * (n_methods - 1)
        key = hash((n_splits, n_seeds, n_comparisons))
        if key not in self._cache:
            self._cache[key] = planned_size(
                self.dataset,
                self.splits[:n_splits],
                n_seeds=n_seeds,
                n_comparisons=n_comparisons,
                frozen=self.frozen,
                unit=self.unit,
            )
        return self._cache[key]

    def outlook(self, n_units: int, n_methods: int) -> Outlook:
        """Return the smallest differences that a study finds, by metric."""
        n_splits, n_seeds = self.options.splits_and_seeds(n_units)
        size = self.size(n_splits, n_seeds, n_methods)
        reached: dict[str, float | None] = {}
        for metric, ratio in self.spread.ratios.items():
            assumed = scaled(assumptions_of(size, metric), ratio)
            difference = detectable(size, metric, assumed)
            reached[metric] = None if math.isnan(difference) else round(difference, 4)
        return Outlook(
            n_splits=n_splits, n_seeds=n_seeds, detectable=reached, obstacle=self._obstacle(size)
        )

    def _obstacle(self, size: StudySize) -> str:
        """Return why a study finds nothing, and whether more splits help; "" where it does."""
        names = self.dataset.class_names
        problem = obstacle(size, names)
        scarce = size.patients.scarce_class
        patients = np.unique(self.dataset.groups[self.dataset.labels == scarce])
        if not problem or len(patients) >= FEWEST_PATIENTS:
            return problem
        return f"{problem}; the images have no more: leave {names[scarce]} out"

    def outlook_of(self, choice: StudyChoice) -> Outlook:
        """Return what a choice finds, and what methods with fewer splits find."""
        n_methods = len(choice.methods)
        limited = None
        if choice.limits:
            limited = self.outlook(min(choice.limits.values()), n_methods)
        outlook = self.outlook(choice.n_units, n_methods)
        return replace(outlook, limits=choice.limits, limited=limited)

    def mean_detectable(self, n_methods: int) -> Detectable:
        """Return the mean of the detectable differences of all metrics, by number of units."""

        def reached(n_units: int) -> float:
            differences = self.outlook(n_units, n_methods).detectable.values()
            known = [difference for difference in differences if difference is not None]
            return sum(known) / len(known) if known else math.nan

        return reached

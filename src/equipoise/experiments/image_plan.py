"""From images that were read to a study that may run: splits, the duplicate scan, the methods."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from imblearn.pipeline import Pipeline

from equipoise.data.dataset import ImageDataset
from equipoise.data.duplicates import find_duplicates, merge_groups, refuse_crossing
from equipoise.data.images.options import Loaded
from equipoise.data.imbalance import keep
from equipoise.data.splits import Split, hold_out, source_splits
from equipoise.discovery import pick, unknown
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget, Protocol
from equipoise.experiments.study import Study
from equipoise.metrics.classification import METRICS

DUPLICATE_POLICIES = ("refuse", "merge", "report")


def check_plan(protocol: Protocol, budget: Budget, *, size: int) -> None:
    """Refuse what cannot work before any image is read.

    Raises:
        SettingError: A method, metric, policy, network or other name is unknown, a number is out of range, or
            `size` does not suit a method.
        WeightsError: The file of pretrained weights does not exist.
    """
    if protocol.duplicates not in DUPLICATE_POLICIES:
        raise SettingError(unknown(protocol.duplicates, DUPLICATE_POLICIES, "duplicate policy"))
    pick(METRICS, protocol.primary_metric, "metric")
    for method in build_methods(protocol.methods, budget).values():
        for _, step in method.steps:
            step.check_settings(size)


def plan_study(
    loaded: Loaded,
    protocol: Protocol,
    budget: Budget,
    *,
    name: str,
    facts: dict[str, Any] | None = None,
) -> Study:
    """Make a study from images that were read.

    Raises:
        DataError: A class is too small to be split, or for a method.
        LeakageError: Patients or duplicates cross into the test images.
        SettingError: A method, class or policy is unknown.
    """
    check_plan(protocol, budget, size=min(loaded.dataset.images.shape[2:]))
    methods = build_methods(protocol.methods, budget)
    dataset = loaded.dataset
    rare_class = find_class(dataset, protocol.rare_class)
    duplicates = find_duplicates(dataset)
    if protocol.duplicates == "merge":
        dataset = merge_groups(dataset, duplicates)
    splits = make_splits(loaded, dataset, protocol)
    if protocol.duplicates == "refuse":
        refuse_crossing(dataset, duplicates, splits)
    refuse_small_classes(dataset, splits, methods)
    return Study(
        name=name,
        dataset=dataset,
        splits=splits,
        methods=methods,
        seeds=range(protocol.seed, protocol.seed + protocol.n_seeds),
        baseline=protocol.methods[0],
        primary_metric=protocol.primary_metric,
        rare_class=rare_class,
        duplicates=duplicates,
        facts={"notes": list(loaded.notes), "skipped": list(loaded.skipped), **(facts or {})},
    )


def make_splits(loaded: Loaded, dataset: ImageDataset, protocol: Protocol) -> tuple[Split, ...]:
    """Keep the source's own test set where it has one, else hold out patients, repeatedly."""
    assigned = loaded.source_split
    if protocol.use_source_split and assigned is not None and (assigned == "test").any():
        return source_splits(dataset, assigned, validation=protocol.validation, seed=protocol.seed)
    return hold_out(
        dataset,
        n_splits=protocol.n_splits,
        test=protocol.test,
        validation=protocol.validation,
        seed=protocol.seed,
    )


def thinned(study: Study, counts: Mapping[str, int]) -> Study:
    """Keep `counts` random training images of each named class in every split; validation and test stay."""
    targets = {study.images.class_names.index(name): n for name, n in counts.items()}
    splits = [
        replace(split, train=keep(study.images, split.train, targets, seed=i))
        for i, split in enumerate(study.splits)
    ]
    return replace(study, splits=splits)


def refuse_small_classes(
    dataset: ImageDataset, splits: Sequence[Split], methods: Mapping[str, Pipeline]
) -> None:
    """See that every class that a method has to fill up has as many training images as the method needs.

    Raises:
        DataError: Names the method, the class, the split, how many images there are, and what to use instead.
    """
    for split in splits:
        counts = dataset.subset(split.train).counts
        for label in np.flatnonzero((counts > 0) & (counts < counts.max())):
            for name, method in methods.items():
                needed = max(getattr(step, "minimum", 1) for _, step in method.steps)
                if counts[label] < needed:
                    raise DataError(
                        _too_small(
                            dataset.class_names[label], int(counts[label]), name, needed, split
                        )
                    )


def _too_small(label: str, count: int, method: str, needed: int, split: Split) -> str:
    return (
        f"Expected at least {needed} training images of class '{label}' for method {method}, got {count} in "
        f"{split.name}. Leave {method} out of --methods, use oversampling or class_weights in its place, or merge "
        "the class with another."
    )


def find_class(dataset: ImageDataset, name: str | None) -> int:
    """Give the index of a class by name, or of the smallest class.

    Raises:
        SettingError: No such class.
    """
    if name is None:
        return dataset.rare_class
    if name not in dataset.class_names:
        raise SettingError(unknown(name, dataset.class_names, "class"))
    return dataset.class_names.index(name)

"""`describe`: a study as the `StudyDescription` that its run folder stores."""

from equipoise.arrays import Rows
from equipoise.atomic import JsonValue
from equipoise.data.dataset import ImageDataset
from equipoise.data.duplicates import Duplicates
from equipoise.data.splits import PARTS, Split
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.experiments.parameters import describe_steps
from equipoise.experiments.running.environment import machine, versions
from equipoise.experiments.study import Study
from equipoise.runs.description import (
    ImageDatasetDescription,
    MethodDescription,
    SplitDescription,
    StudyDescription,
    VolumeDatasetDescription,
)
from equipoise.runs.known_cases import describe_cases
from equipoise.runs.stored_splits import split_fingerprint


def describe(study: Study) -> StudyDescription:
    """Describe everything that the results of a study depend on, and what its report shows."""
    methods = []
    for name, pipeline in study.methods.items():
        steps = describe_steps(pipeline, seeds=False)
        methods.append(MethodDescription(name=name, steps=steps))
    return StudyDescription(
        name=study.name,
        dataset=_describe_dataset(study.dataset),
        rare_class=study.positive,
        baseline=study.baseline_name,
        primary_metric=study.primary_metric,
        methods=tuple(methods),
        splits=tuple(_describe_split(split, study.dataset) for split in study.splits),
        seeds=tuple(sorted(study.seeds)),
        split_limits=dict(study.split_limits),
        versions=versions(),
        machine=machine(),
        facts=dict(study.facts),
        reading=study.reading,
    )


def describe_duplicates(study: Study, duplicates: Duplicates) -> dict[str, JsonValue]:
    """List pairs of duplicates by their ids, and those that cross into held-out parts."""

    def ids_of(pairs: Rows) -> list[JsonValue]:
        """Return the ids of row pairs (n, 2)."""
        return [study.dataset.ids[pair].tolist() for pair in pairs]

    into_test: dict[str, JsonValue] = {}
    into_validation: dict[str, JsonValue] = {}
    for split in study.splits:
        crossing = duplicates.crossing(split)
        if len(crossing.into_test):
            into_test[split.name] = ids_of(crossing.into_test)
        if len(crossing.into_validation):
            into_validation[split.name] = ids_of(crossing.into_validation)
    return {
        "exact": ids_of(duplicates.exact),
        "near": ids_of(duplicates.near),
        "conflicting": ids_of(duplicates.conflicting),
        "crossing": into_test,
        "crossing_validation": into_validation,
    }


def _describe_dataset(
    dataset: ImageDataset | VolumeDataset,
) -> ImageDatasetDescription | VolumeDatasetDescription:
    n_groups = len(set(dataset.groups.tolist()))
    counts = tuple(dataset.counts.tolist())
    if isinstance(dataset, ImageDataset):
        return ImageDatasetDescription(
            fingerprint=dataset.fingerprint,
            n_images=len(dataset),
            n_groups=n_groups,
            class_names=tuple(dataset.class_names),
            counts=counts,
            shape=tuple(dataset.images.shape[1:]),
            dtype=str(dataset.images.dtype),
        )
    cases = describe_cases(dataset)
    return VolumeDatasetDescription(
        fingerprint=dataset.fingerprint,
        n_images=len(dataset),
        n_groups=n_groups,
        class_names=tuple(dataset.class_names),
        counts=counts,
        modalities=tuple(dataset.modalities),
        scheme=dataset.scheme.name,
        values=tuple(dataset.scheme.values),
        regions={name: tuple(codes) for name, codes in dataset.regions.items()},
        images=cases["images"],
        n4=cases["n4"],
    )


def _describe_split(split: Split, dataset: ImageDataset | VolumeDataset) -> SplitDescription:
    counts = {}
    for part in PARTS:
        counts[part] = tuple(dataset.subset(getattr(split, part)).counts.tolist())
    return SplitDescription(
        name=split.name,
        n_train=len(split.train),
        n_validation=len(split.validation),
        n_test=len(split.test),
        counts=counts,
        fingerprint=split_fingerprint(split, dataset),
    )

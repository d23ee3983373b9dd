"""Plan a study of images that were read: splits, the search for duplicates, the methods."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from imblearn.pipeline import Pipeline

from equipoise.arrays import Labels
from equipoise.atomic import JsonFields
from equipoise.data.dataset import ImageDataset
from equipoise.data.duplicates import find_duplicates, merge_groups, refuse_crossing
from equipoise.data.images.listing import first_few
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.data.imbalance import keep
from equipoise.data.positive_class import (
    REQUESTED,
    default_positive_class,
    positive_class_reason,
    sounds_healthy,
)
from equipoise.data.reading import read
from equipoise.data.splits import Split, hold_out, source_splits
from equipoise.discovery import pick, unknown
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget, Protocol
from equipoise.experiments.study import NEW, OWN, Study
from equipoise.metrics.classification import METRICS
from equipoise.runs.reading import IMAGES, PYTHON, Reading

REFUSE = "refuse"
MERGE = "merge"
DUPLICATE_POLICIES = (REFUSE, MERGE, "report")


def check_plan(protocol: Protocol, budget: Budget, *, size: int) -> None:
    """Check everything that can be checked before any image is read.

    Args:
        protocol: How methods are compared.
        budget: What each method may spend.
        size: Side of the images in pixels.

    Raises:
        SettingError: A method, metric, policy, network or other name is unknown, a number is out of
            range, or `size` does not suit a method.
        WeightsError: The pretrained weights are not here and cannot be downloaded, are damaged or
            do not fit; or $EQUIPOISE_WEIGHTS names no folder.
    """
    from equipoise.networks.weight_files import weights_folder

    if protocol.duplicates not in DUPLICATE_POLICIES:
        raise SettingError(unknown(protocol.duplicates, DUPLICATE_POLICIES, "duplicate policy"))
    pick(METRICS, protocol.primary_metric, "metric")
    weights_folder()
    for method in build_methods(protocol.methods, budget).values():
        for _, step in method.steps:
            step.check_settings(size)


def plan_study(
    loaded: Loaded,
    protocol: Protocol,
    budget: Budget,
    *,
    name: str,
    facts: JsonFields | None = None,
) -> Study:
    """Plan a study of images that were read.

    Args:
        loaded: The images.
        protocol: How methods are compared.
        budget: What each method may spend.
        name: Title of the report.
        facts: Anything else to store in `study.json`, as JSON values.

    Raises:
        DataError: A class is too small to be split, or for a method.
        LeakageError: Patients or duplicates cross into the test images.
        SettingError: A method, class or policy is unknown.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> loaded = Loaded(dataset=cells((30, 12), size=32))
        >>> protocol = Protocol(methods=("none", "oversampling"), n_splits=2)
        >>> study = plan_study(loaded, protocol, Budget(n_steps=10), name="cells")
        >>> len(list(study.cells()))  # 2 methods x 2 splits x 3 seeds
        12

    See Also:
        equipoise.experiments.volume_plan.plan_volume_study: For volumes with label maps.
    """
    check_plan(protocol, budget, size=min(loaded.dataset.images.shape[2:]))
    methods = build_methods(protocol.methods, budget)
    dataset = loaded.dataset
    rare_class = find_class(dataset.class_names, dataset.counts, protocol.rare_class)
    duplicates = find_duplicates(dataset)
    if protocol.duplicates == MERGE:
        dataset = merge_groups(dataset, duplicates)
    splits = make_splits(loaded, dataset, protocol)
    notes = [*loaded.notes, *notes_on_own_split(loaded, protocol)]
    if protocol.duplicates == REFUSE:
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
        split_origin=OWN if has_own_test(loaded, protocol) else NEW,
        facts={"notes": notes, "skipped": list(loaded.skipped), **(facts or {})},
        reading=Reading(
            source=PYTHON if loaded.options is None else IMAGES,
            options=loaded.options,
            duplicates=protocol.duplicates,
        ),
    )


def read_again(
    path: Path | str, reading: Reading, progress: Callable[[int, int], None] | None = None
) -> ImageDataset:
    """Read the images of a run as it read them, and merge its duplicates if it merged them.

    Args:
        path: Where the images are now.
        reading: How the run read them.
        progress: Called with (files done, files in all).

    Raises:
        DataError: The run read no image files, or see `equipoise.data.reading.read`.
    """
    if not isinstance(reading.options, ReadOptions):
        raise DataError(
            "Expected a run on image files, got one whose images are of source "
            f"'{reading.source}'. Give the STUDY.py that makes them."
        )
    dataset = read(path, replace(reading.options, progress=progress)).dataset
    if reading.duplicates == MERGE:
        dataset = merge_groups(dataset, find_duplicates(dataset))
    return dataset


def make_splits(loaded: Loaded, dataset: ImageDataset, protocol: Protocol) -> tuple[Split, ...]:
    """Keep the source's own test set where it has one, else hold out patients, repeatedly."""
    assigned = loaded.source_split
    if assigned is not None and has_own_test(loaded, protocol):
        return source_splits(dataset, assigned, validation=protocol.validation, seed=protocol.seed)
    return hold_out(
        dataset,
        n_splits=protocol.n_splits,
        test=protocol.test,
        validation=protocol.validation,
        seed=protocol.seed,
    )


def has_own_test(loaded: Loaded, protocol: Protocol) -> bool:
    """Return whether the test images of the source are used."""
    assigned = loaded.source_split
    return protocol.use_source_split and assigned is not None and bool((assigned == "test").any())


def notes_on_own_split(loaded: Loaded, protocol: Protocol) -> list[str]:
    """Return a sentence about the source's own split where it cannot be used.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> split = np.array(["train"] * 30 + ["validation"] * 12)
        >>> loaded = Loaded(dataset=cells((30, 12), size=32), source_split=split)
        >>> len(notes_on_own_split(loaded, Protocol()))
        1
    """
    assigned = loaded.source_split
    if not protocol.use_source_split or assigned is None or has_own_test(loaded, protocol):
        return []
    parts, counts = np.unique(assigned, return_counts=True)
    sizes = []
    for part, n in zip(parts.tolist(), counts.tolist(), strict=True):
        sizes.append(f"{part or 'without a part'} {n:,}")
    return [
        f"The source's own split has no test images ({', '.join(sizes)}) and is not used: all "
        "images were split again, by patient. If its validation images are the test images, call "
        "them test."
    ]


def thinned(study: Study, counts: Mapping[str, int]) -> Study:
    """Keep `counts` random training images of each named class in every split.

    Validation and test images stay.
    """
    targets = {}
    for name, n in counts.items():
        targets[study.images.class_names.index(name)] = n
    splits = []
    for i, split in enumerate(study.splits):
        splits.append(replace(split, train=keep(study.images, split.train, targets, seed=i)))
    return replace(study, splits=splits)


def refuse_small_classes(
    dataset: ImageDataset, splits: Sequence[Split], methods: Mapping[str, Pipeline]
) -> None:
    """Check that each class that needs more images has enough training images for each method.

    Raises:
        DataError: Names the methods, the classes, the split, how many images there are, and what
            to use instead.
    """
    minimums = {}
    for name, method in methods.items():
        minimums[name] = max(getattr(step, "minimum", 1) for _, step in method.steps)
    for split in splits:
        counts = np.bincount(dataset.labels[split.train], minlength=len(dataset.class_names))
        smaller = np.flatnonzero((counts > 0) & (counts < counts.max()))
        faults = []
        for name, minimum in minimums.items():
            too_small: list[str] = []
            for label in smaller[counts[smaller] < minimum].tolist():
                too_small.append(f"'{dataset.class_names[label]}' ({counts[label]})")
            if too_small:
                faults.append(
                    f"Expected at least {minimum} training images of each class for method {name}, "
                    f"got fewer in {split.name} of {first_few(too_small)}. Leave {name} out of "
                    "--methods, use oversampling or class_weights in its place, or merge such a "
                    "class with another."
                )
        if faults:
            raise DataError("\n".join(faults))


def positive_class_sentence(study: Study) -> str:
    """Return which class is the positive one, why, and how another one is chosen.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> from equipoise.data.splits import hold_out
        >>> dataset = replace(cells((30, 12), size=32), class_names=("atypical", "Normal"))
        >>> study = Study(
        ...     name="cells",
        ...     dataset=dataset,
        ...     splits=hold_out(dataset, n_splits=1),
        ...     methods=build_methods(["none"], Budget()),
        ...     seeds=(0,),
        ... )
        >>> print(positive_class_sentence(study))
        Positive class: atypical (30 of 42 images), the smallest but for Normal, which sounds \
healthy. For another one use rare_class (--rare), such as --rare Normal.
    """
    dataset = study.images
    names, counts, positive = dataset.class_names, dataset.counts, study.positive
    name, n = names[positive], int(counts[positive])
    reason = positive_class_reason(names, counts, positive)
    sentence = f"Positive class: {name} ({n:,} of {len(dataset):,} images), {reason}."
    if sounds_healthy(name, names):
        sentence += " It sounds healthy."
    if reason == REQUESTED:
        return sentence
    other = dataset.rare_class
    if other == positive:
        remaining = np.where(np.arange(len(names)) == positive, 0, counts)
        other = default_positive_class(names, remaining)
    option = f"--rare {shlex.quote(names[other])}"
    return f"{sentence} For another one use rare_class (--rare), such as {option}."


def find_class(class_names: Sequence[str], counts: Labels, name: str | None) -> int:
    """Return the index of a class by name, or of the default positive class where None.

    Args:
        class_names: k names.
        counts: (k,) number of images of each class.
        name: The name.

    Raises:
        SettingError: No such class.
    """
    if name is None:
        return default_positive_class(class_names, counts)
    if fault := class_fault(class_names, name):
        raise SettingError(fault)
    return class_names.index(name)


def class_fault(class_names: Sequence[str], name: str | None) -> str:
    """Return what is wrong with the name of the positive class; "" if nothing is.

    Args:
        class_names: The classes; none where they are not known.
        name: The name, None where the class is chosen.
    """
    if name is None or not class_names or name in class_names:
        return ""
    return f"rare_class (--rare): {unknown(name, class_names, 'class')}"

"""From volumes that were read to a study that may run: folds of patients and the methods."""

from collections.abc import Iterator, Sequence
from typing import Any

from equipoise.data.patient_folds import patient_folds
from equipoise.data.splits import Split
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.options import LoadedVolumes
from equipoise.experiments.methods.segmentation import build_volume_methods
from equipoise.experiments.protocol import VolumeBudget, VolumeProtocol
from equipoise.experiments.study import Study

MOST_FOLDS = 5
VALIDATION = 0.2  # share of the patients that are not tested, at least one


def check_volume_plan(protocol: VolumeProtocol, budget: VolumeBudget) -> None:
    """Refuse what cannot work before any volume is read.

    Raises:
        SettingError: A method is unknown, or a number out of range.
    """
    for method in build_volume_methods(protocol.methods, budget).values():
        for _, step in method.steps:
            step.check_settings()


def plan_volume_study(
    loaded: LoadedVolumes, protocol: VolumeProtocol, budget: VolumeBudget, *, name: str,
    facts: dict[str, Any] | None = None,
) -> Study:  # fmt: skip
    """Make a study from volumes that were read.

    Raises:
        DataError: Fewer than three patients.
        SettingError: A method or metric is unknown, or there are more folds than patients.
    """
    check_volume_plan(protocol, budget)
    dataset = loaded.dataset
    n_patients = len(set(dataset.groups.tolist()))
    splits = patient_folds(
        dataset,
        n_folds=protocol.n_folds or min(MOST_FOLDS, n_patients),
        validation=max(1, round(VALIDATION * n_patients)),
        seed=protocol.seed,
    )
    notes = [*loaded.notes, *_unlearned(dataset, splits)]
    return Study(
        name=name,
        dataset=dataset,
        splits=splits,
        methods=build_volume_methods(protocol.methods, budget),
        seeds=range(protocol.seed, protocol.seed + protocol.n_seeds),
        baseline=protocol.methods[0],
        primary_metric=protocol.primary_metric,
        facts={
            "notes": notes,
            "skipped": list(loaded.skipped),
            **(facts or {}),
        },
    )


def _unlearned(dataset: VolumeDataset, splits: Sequence[Split]) -> Iterator[str]:
    """Say which classes some fold cannot learn, because all their patients are in its test or validation part."""
    for split in splits:
        for code in sorted(dataset.present(slice(None)) - dataset.present(split.train)):
            name = dataset.class_names[code]
            yield f"No patient of class {name} is left to train on in {split.name}: its results there mean nothing."

"""Plan a study of volumes that were read: folds of patients and the methods."""

from collections.abc import Iterator, Sequence

from equipoise.atomic import JsonFields
from equipoise.data.images.listing import first_few
from equipoise.data.patient_folds import check_folds, patient_folds
from equipoise.data.splits import Split
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.options import LoadedVolumes
from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.methods.segmentation import build_volume_methods
from equipoise.experiments.protocol import VolumeBudget, VolumeProtocol
from equipoise.experiments.study import NEW, Study
from equipoise.runs.reading import PYTHON, VOLUMES, Reading

MOST_FOLDS = 5
VALIDATION = 0.2  # share of the patients that are not tested, at least one


def check_volume_plan(protocol: VolumeProtocol, budget: VolumeBudget) -> None:
    """Check everything that can be checked before any volume is read.

    Raises:
        SettingError: A method is unknown, or a number out of range.
    """
    for method in build_volume_methods(protocol.methods, budget).values():
        for _, step in method.steps:
            step.check_settings()


def plan_volume_study(
    loaded: LoadedVolumes,
    protocol: VolumeProtocol,
    budget: VolumeBudget,
    *,
    name: str,
    facts: JsonFields | None = None,
) -> Study:
    """Plan a study of volumes that were read.

    Args:
        loaded: The volumes.
        protocol: How methods are compared.
        budget: What each method may spend.
        name: Title of the report.
        facts: Anything else to store in `study.json`, as JSON values.

    Raises:
        DataError: Fewer than three patients, or cases of different patients hold the same scan.
        SettingError: A method or metric is unknown, or there are more folds than patients.

    See Also:
        equipoise.experiments.image_plan.plan_study: For images with one label each.
    """
    check_volume_plan(protocol, budget)
    dataset = loaded.dataset
    refuse_copied_scans(dataset)
    n_folds, n_validating = fold_numbers(len(set(dataset.groups.tolist())), protocol)
    splits = patient_folds(dataset, n_folds=n_folds, validation=n_validating, seed=protocol.seed)
    notes = [*loaded.notes, *notes_on_absent_classes(dataset, splits)]
    if loaded.source_split is not None:
        notes.append(
            "The source's own split is not used: volumes are tested by folds of patients, so that "
            "each is tested once."
        )
    return Study(
        name=name,
        dataset=dataset,
        splits=splits,
        methods=build_volume_methods(protocol.methods, budget),
        seeds=range(protocol.seed, protocol.seed + protocol.n_seeds),
        baseline=protocol.methods[0],
        primary_metric=protocol.primary_metric,
        split_origin=NEW,
        facts={"notes": notes, "skipped": list(loaded.skipped), **(facts or {})},
        reading=Reading(
            source=PYTHON if loaded.options is None else VOLUMES, options=loaded.options
        ),
    )


def fold_numbers(n_patients: int, protocol: VolumeProtocol) -> tuple[int, int]:
    """Return the number of folds, and that of the patients who validate each."""
    n_folds = protocol.n_folds or min(MOST_FOLDS, n_patients)
    return n_folds, max(1, round(VALIDATION * n_patients))


def fold_faults(patients: Sequence[str], protocol: VolumeProtocol) -> list[str]:
    """Return why cases of these patients cannot be divided into folds, before any is prepared.

    Example:
        >>> fold_faults(["p1", "p2", "p3"], VolumeProtocol(n_folds=4))
        ['Expected 2 to 3 folds (--folds), the number of patients, got 4.']
    """
    n_patients = len(set(patients))
    try:
        check_folds(n_patients, *fold_numbers(n_patients, protocol))
    except (DataError, SettingError) as error:
        return [str(error)]
    return []


def refuse_copied_scans(dataset: VolumeDataset) -> None:
    """Check that no scan is in cases of different patients, which folds may separate.

    Raises:
        DataError: Some are; names the first pairs and the ways out.
    """
    first_of: dict[str, int] = {}
    copies: list[str] = []
    for i, volume in enumerate(dataset.volumes):
        scans = volume.record.voxels.values()
        first = min((first_of.setdefault(scan, i) for scan in scans), default=i)
        if dataset.groups[first] != dataset.groups[i]:
            copies.append(f"{dataset.ids[first]} = {dataset.ids[i]}")
    if copies:
        raise DataError(
            f"Cases of different patients hold the same scan ({len(copies)}): "
            f"{first_few(copies)}. Leave one of each pair out with ignore (--ignore), or name the "
            "patient of both with groups (--groups REGEX) or a table (--table CSV)."
        )


def notes_on_absent_classes(dataset: VolumeDataset, splits: Sequence[Split]) -> Iterator[str]:
    """Yield a note for each class that no training patient of a fold has."""
    for split in splits:
        absent = dataset.present(slice(None)) - dataset.present(split.train)
        for code in sorted(absent):
            class_name = dataset.class_names[code]
            yield (
                f"No patient of class {class_name} is left to train on in {split.name}: "
                "its results there mean nothing."
            )

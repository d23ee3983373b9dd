"""Which cases belong to a run, so that no network is applied to a patient it was trained on."""

from collections.abc import Mapping, Set
from pathlib import Path, PurePosixPath
from typing import TypedDict

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.case_files import file_digest, voxel_digest
from equipoise.data.volumes.file import read_volume
from equipoise.data.volumes.options import RawCase
from equipoise.runs.stored_splits import read_split_ids


class CaseDescription(TypedDict):
    """What `study.json` stores of the cases of a run.

    Attributes:
        images: {SHA-256 of an image file, or hash of its voxels: id of its case}.
        n4: Whether the bias field was corrected.
    """

    images: dict[str, str]
    n4: bool


def describe_cases(dataset: VolumeDataset) -> CaseDescription:
    """Describe the cases of a data set so that they are recognized later."""
    images, n4 = {}, False
    for volume in dataset.volumes:
        n4 |= volume.record.n4
        for modality in dataset.modalities:
            for digests in (volume.record.sha256, volume.record.voxels):
                if modality in digests:
                    images[digests[modality]] = volume.record.id
    return {"images": images, "n4": n4}


def known_as(case: RawCase, images: Mapping[str, str], names: Set[str]) -> str | None:
    """Return the case of a run that a new case is, by its content or its name; None if it is none.

    Args:
        case: The new case.
        images: {SHA-256 of an image file of the run, or hash of its voxels: id of its case}.
        names: Ids of the run's cases.
    """
    return case_of_content(case, images) or case_of_name(case, names)


def case_of_content(case: RawCase, images: Mapping[str, str]) -> str | None:
    """Return the case of a run that has an image of a new case.

    The image has the same bytes, or the same voxels in another format, compression or type.

    Raises:
        DataError: An image cannot be read.
    """
    for path in case.images.values():
        name = images.get(file_digest(path))
        if name is not None:
            return name
    for path in case.images.values():
        name = images.get(voxel_digest(read_volume(path).array))
        if name is not None:
            return name
    return None


def case_of_name(case: RawCase, names: Set[str]) -> str | None:
    """Return the case of a run that a new case has the whole name of.

    The name of a case is a path, of which the last folder may be called alike for all patients
    (sub-01/ses-01/anat). A scan that was only processed again is still of the same patient.
    """
    if case.id in names:
        return case.id
    for path in case.images.values():
        folder = path.resolve().parent
        for name in sorted(names):
            parts = PurePosixPath(name).parts
            if folder.parts[-len(parts) :] == parts:
                return name
    return None


def case_names(folder: Path) -> set[str]:
    """Return the ids of all cases of a run."""
    names: set[str] = set()
    for split in read_split_ids(folder):
        names |= split.train | split.validation | split.test
    return names


def splits_testing(folder: Path, name: str) -> set[str]:
    """Return the splits of a run that test a case.

    No case of its patient trained their networks, or chose their weights.
    """
    return {split.name for split in read_split_ids(folder) if name in split.test}

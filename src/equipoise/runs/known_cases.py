"""Which cases a run knows, so that no network judges a patient it learned from."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from equipoise.atomic import read_json
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.case_files import file_digest
from equipoise.data.volumes.options import RawCase


def describe_cases(dataset: VolumeDataset) -> dict[str, Any]:
    """Write down for `study.json` what tells a run's cases again, and how they were prepared.

    Returns:
        "images": SHA-256 of each image file -> name of its case; "n4": whether the bias field was corrected.
    """
    records = [volume.record for volume in dataset.volumes]
    images = {
        digest: record.id
        for record in records
        for modality, digest in record.sha256.items()
        if modality in dataset.modalities
    }
    return {"images": images, "n4": any(record.n4 for record in records)}


def known_as(case: RawCase, images: Mapping[str, str], names: set[str]) -> str | None:
    """Say which case of a run a new one is; None if it is none of them.

    It is one of them if any of its images has the bytes of one of theirs, or if its folder has the name of one of
    theirs: a scan that was only converted again is still the same patient.

    Args:
        case: The new case.
        images: SHA-256 of each image file of the run -> name of its case.
        names: Of the run's cases.
    """
    for path in case.images.values():
        if (name := images.get(file_digest(path))) is not None:
            return str(name)
    return next(
        (name for name in sorted(names) if PurePosixPath(name).name == PurePosixPath(case.id).name),
        None,
    )


def case_names(folder: Path) -> set[str]:
    """Name all cases of a run."""
    return {
        name
        for split in _splits(folder)
        for part in ("train", "validation", "test")
        for name in split[part]
    }


def tested_in(folder: Path, name: str) -> set[str]:
    """Name the splits of a run that test a case; none of its patient's cases trained or chose their networks."""
    return {split["name"] for split in _splits(folder) if name in split["test"]}


def _splits(folder: Path) -> list[dict[str, Any]]:
    return list(read_json(folder / "splits.json")["splits"])

"""Which cases belong to a run, so that no network is applied to a patient it was trained on."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypedDict

from equipoise.atomic import read_json
from equipoise.data.splits import PARTS
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.data.volumes.case_files import file_digest
from equipoise.data.volumes.options import RawCase


class CaseDescription(TypedDict):
    """What `study.json` stores of the cases of a run.

    Attributes:
        images: {SHA-256 of an image file: id of its case}.
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
            if modality in volume.record.sha256:
                images[volume.record.sha256[modality]] = volume.record.id
    return {"images": images, "n4": n4}


def matching_case(case: RawCase, images: Mapping[str, str], names: Set[str]) -> str | None:
    """Return the case of a run that a new case is; None if it is none of them.

    It is one of them if any of its images has the bytes of one of theirs, or if its folder has the
    name of one of theirs: a scan that was only converted again is still of the same patient.

    Args:
        case: The new case.
        images: {SHA-256 of an image file of the run: id of its case}.
        names: Ids of the run's cases.
    """
    for path in case.images.values():
        name = images.get(file_digest(path))
        if name is not None:
            return name
    for name in sorted(names):
        if PurePosixPath(name).name == PurePosixPath(case.id).name:
            return name
    return None


def case_names(folder: Path) -> set[str]:
    """Return the ids of all cases of a run."""
    names: set[str] = set()
    for split in _read_splits(folder):
        names |= split.cases
    return names


def splits_testing(folder: Path, name: str) -> set[str]:
    """Return the splits of a run that test a case.

    No case of its patient trained their networks, or chose their weights.
    """
    return {split.name for split in _read_splits(folder) if name in split.tested}


@dataclass(frozen=True)
class _SplitCases:
    name: str
    cases: Set[str]
    tested: Set[str]


def _read_splits(folder: Path) -> Iterator[_SplitCases]:
    for split in read_json(folder / "splits.json")["splits"]:
        cases: set[str] = set()
        for part in PARTS:
            cases.update(split[part])
        yield _SplitCases(split["name"], cases, set(split["test"]))

"""The files of a case: read together and checked against each other, and hashed."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from equipoise.data.volumes.file import VolumeFile, read_volume
from equipoise.data.volumes.options import RawCase
from equipoise.exceptions import DataError


class Files(NamedTuple):
    """What was read of a case: images in the order of the modalities, label map and brain mask or None."""

    images: list[VolumeFile]
    labels: VolumeFile | None
    mask: VolumeFile | None


def read_files(case: RawCase, modalities: Sequence[str]) -> Files:
    """Read the modalities, the label map and the brain mask of a case.

    Raises:
        DataError: A modality is missing, a file cannot be read or holds values that are not finite, or two files
            differ in shape or geometry; the message names the case and the files.
    """
    read = {role: read_volume(path) for role, path in _used(case, modalities).items()}
    first = next(iter(read.values()))
    for file in read.values():
        if difference := first.geometry.difference(file.geometry):
            raise DataError(
                f"Case {case.id}: expected one geometry, got two: {difference}, in {first.path.name} and "
                f"{file.path.name}. Resample one of them onto the grid of the other."
            )
        if not np.isfinite(file.array).all():
            raise DataError(
                f"Case {case.id}: {file.path.name} holds NaN or infinity. Set those voxels to 0."
            )
    return Files([read[name] for name in modalities], read.get("label"), read.get("mask"))


def hash_files(case: RawCase, modalities: Sequence[str]) -> dict[str, str]:
    """Hash the files of a case that are used: modality, "label" or "mask" -> SHA-256.

    Raises:
        DataError: A modality is missing, or a file cannot be read.
    """
    return {role: file_digest(file) for role, file in _used(case, modalities).items()}


def file_digest(path: Path) -> str:
    """Hash the bytes of a file by SHA-256.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"Cannot read the volume {path}: {error.strerror}. Check the path."
        ) from error


def _used(case: RawCase, modalities: Sequence[str]) -> dict[str, Path]:
    if missing := [name for name in modalities if name not in case.images]:
        raise DataError(
            f"Case {case.id} has no {' and no '.join(missing)}, which other cases have or you asked for; it has "
            f"{', '.join(case.images) or 'no image'}. Add the file, leave the modality out (modalities), or remove "
            "the case."
        )
    named = {name: case.images[name] for name in modalities}
    return named | {
        role: file
        for role, file in (("label", case.label_file), ("mask", case.mask_file))
        if file is not None
    }

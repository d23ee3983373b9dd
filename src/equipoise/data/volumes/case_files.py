"""Read the files of a case together, check them against each other, and hash them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import fingerprint
from equipoise.data.volumes.file import VolumeFile, read_volume
from equipoise.data.volumes.options import RawCase
from equipoise.exceptions import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseVolumes:
    """The volumes of a case: images in the order of the modalities, label map and brain mask."""

    images: list[VolumeFile]
    labels: VolumeFile | None
    mask: VolumeFile | None

    def voxel_digests(self, modalities: Sequence[str]) -> dict[str, str]:
        """Hash the voxels of each modality; see `voxel_digest`."""
        digests = {}
        for name, file in zip(modalities, self.images, strict=True):
            digests[name] = voxel_digest(file.array)
        return digests


def read_files(case: RawCase, modalities: Sequence[str]) -> CaseVolumes:
    """Read the modalities, the label map and the brain mask of a case.

    Raises:
        DataError: A modality is missing, a file cannot be read or has values that are not finite,
            or two files differ in shape or geometry; the message names the case and the files.
    """
    volumes: dict[str, VolumeFile] = {}
    for role, path in _files_used(case, modalities).items():
        volumes[role] = read_volume(path)
    first = next(iter(volumes.values()))
    for volume in volumes.values():
        if difference := first.difference(volume):
            raise DataError(
                f"Case {case.id}: expected one geometry, got two: {difference}, in "
                f"{first.path.name} and {volume.path.name}. "
                "Resample one of them onto the grid of the other."
            )
    return CaseVolumes(
        images=list(map(volumes.__getitem__, modalities)),
        labels=volumes.get("label"),
        mask=volumes.get("mask"),
    )


def hash_files(case: RawCase, modalities: Sequence[str]) -> dict[str, str]:
    """Hash the files of a case that are used: modality, "label" or "mask" -> SHA-256.

    Raises:
        DataError: A modality is missing, or a file cannot be read.
    """
    return {role: file_digest(path) for role, path in _files_used(case, modalities).items()}


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


def voxel_digest(array: NDArray[Any]) -> str:
    """Hash the voxels (z, y, x) of an image, whatever format and type store them.

    Example:
        >>> first = np.zeros((2, 3, 4), dtype=np.int16)
        >>> voxel_digest(first) == voxel_digest(first.astype(np.float64))
        True
    """
    return fingerprint("voxels", np.ascontiguousarray(array, dtype=np.float32))


def _files_used(case: RawCase, modalities: Sequence[str]) -> dict[str, Path]:
    """Return modality, "label" or "mask" -> file."""
    if missing := [name for name in modalities if name not in case.images]:
        raise DataError(
            f"Case {case.id} has no {' and no '.join(missing)}, which other cases have or you "
            f"requested; it has {', '.join(case.images) or 'no image'}. Add the file, leave the "
            "modality out with modalities (--modalities), or remove the case."
        )
    files = {name: case.images[name] for name in modalities}
    if case.label_file is not None:
        files["label"] = case.label_file
    if case.mask_file is not None:
        files["mask"] = case.mask_file
    return files

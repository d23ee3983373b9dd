"""Tiny prepared cases for tests, written like those of `equipoise.data.volumes.preparing`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import fingerprint
from equipoise.data.volume_dataset import Volume, VolumeDataset, load_volume
from equipoise.data.volumes.case_record import CaseRecord
from equipoise.data.volumes.geometry import Geometry
from equipoise.data.volumes.labels import LabelScheme, plain
from equipoise.randomness import make_rng


def write_volume(
    folder: Path,
    images: NDArray[Any],
    codes: NDArray[Any],
    mask: NDArray[Any],
    *,
    k: int,
    id: str,  # noqa: A002 (the name of the field of `Volume`)
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Volume:
    """Write one prepared case of k stored classes.

    Images have shape (c, z, y, x), codes and mask (z, y, x).
    """
    folder.mkdir(parents=True, exist_ok=True)
    valid = (mask > 0) | (codes > 0)
    counts = []
    for code in range(k):
        flat_indices = np.flatnonzero(valid & (codes == code)).astype(np.int32)
        np.save(folder / f"class-{code}.npy", flat_indices)
        counts.append(len(flat_indices))
    np.save(folder / "images.npy", images.astype(np.float16))
    np.save(folder / "codes.npy", codes.astype(np.uint8))
    np.save(folder / "mask.npy", mask.astype(np.uint8))
    CaseRecord(
        id=id,
        digest=fingerprint(images, codes, mask),
        shape=mask.shape,
        start=(0, 0, 0),
        geometry=Geometry(
            shape=mask.shape,
            spacing_mm=spacing_mm,
            origin=(0.0, 0.0, 0.0),
            direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        ),
        counts=tuple(counts),
        values=tuple(range(k)),
        scheme="plain",
        modalities=tuple(f"channel {i}" for i in range(len(images))),
        n4=False,
        sha256={},
        tumor_outside_brain=0,
        air_in_mask=0,
        has_background=True,
        has_labels=True,
        version=1,
    ).save(folder)
    return load_volume(folder)


def volumes_of(
    codes: Sequence[NDArray[Any]],
    folder: Path,
    *,
    k: int | None = None,
    masks: Sequence[NDArray[Any]] | None = None,
    channels: int = 2,
    groups: Sequence[int] | None = None,
    scheme: LabelScheme | None = None,
    seed: int = 0,
) -> VolumeDataset:
    """Write label maps (z, y, x) as cases whose images are noise around the class code; open them.

    Args:
        codes: Label map of each case.
        folder: Where case-0, case-1, ... are written.
        k: Number of classes; None for those up to the largest code. Ignored with a `scheme`.
        masks: Brain of each case; None for the whole volume.
        channels: Modalities.
        groups: Patient of each case; None for one patient each.
        scheme: Label scheme; None for a plain one of the values 0 to k - 1.
        seed: Seed of the noise.
    """
    if k is None:
        k = max(int(array.max()) for array in codes) + 1
    if scheme is None:
        scheme = plain(range(k))
    if masks is None:
        masks = [np.ones(array.shape, dtype=bool) for array in codes]
    volumes = []
    for i, (array, mask) in enumerate(zip(codes, masks, strict=True)):
        noise = make_rng(seed, "volumes", i).normal(0, 0.3, size=(channels, *array.shape))
        images = np.where(mask, noise + array, 0)
        name = f"case-{i}"
        volumes.append(
            write_volume(folder / name, images, array, mask, k=len(scheme.values), id=name)
        )
    return VolumeDataset(
        volumes=tuple(volumes),
        groups=np.arange(len(codes)) if groups is None else np.asarray(groups, dtype=np.int64),
        modalities=tuple(f"channel {i}" for i in range(channels)),
        scheme=scheme,
    )

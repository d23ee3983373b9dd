"""From the files of a case to arrays that training maps from disk: checked, cropped, normalized.

Source: methods 6.1. What it leaves open: voxels of a tumor that lie outside the brain (2 to 481 in each of four
BraTS 2013 cases) keep their class and can be drawn, but their image is background.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import fingerprint
from equipoise.atomic import atomic_folder, write_json
from equipoise.data.volume_dataset import Volume, load_volume
from equipoise.data.volumes.brain import Mask, correct_bias, find_background, find_brain, normalize
from equipoise.data.volumes.case_files import Files, hash_files, read_files
from equipoise.data.volumes.file import VolumeFile
from equipoise.data.volumes.labels import LabelScheme, encode
from equipoise.data.volumes.options import RawCase
from equipoise.exceptions import DataError

VERSION = 1  # raise it when preparing changes
BIASED = ("T1", "T1c")  # modalities that N4 corrects


def source_digest(
    case: RawCase, scheme: LabelScheme, modalities: Sequence[str], *, n4: bool = False
) -> str:
    """Hash what decides the prepared arrays: the bytes of the files, the case's name and the options.

    Raises:
        DataError: A modality or a file is missing.
    """
    hashes = hash_files(case, modalities)
    return fingerprint(
        VERSION, case.id, scheme.name, scheme.values, tuple(modalities), n4, sorted(hashes.items())
    )


def prepare(
    case: RawCase, scheme: LabelScheme, modalities: Sequence[str], folder: Path, *, n4: bool = False
) -> Volume:
    """Check, crop and normalize a case, and write it to `folder`, whole or not at all.

    The brain is where any modality differs from its background, inside the brain mask if there is one. The arrays
    are cut to the smallest box around brain and tumor. Without a label file all of the brain counts as healthy.

    Args:
        case: Its files.
        scheme: What the values of its label file mean.
        modalities: Channels, in order.
        folder: Where the prepared case goes; see `equipoise.data.volume_dataset.Volume` for what lies there. `case.json`
            bears id, digest, shape, full_shape, start (of the box, voxels), all (z, y, x); spacing_mm, origin and
            direction of the source; counts, modalities, scheme and label values; sha256 of the files; what was
            noticed; and the version of this code.
        n4: Correct the bias field of T1 and T1c first.

    Raises:
        DataError: A modality is missing, shapes or geometries differ, a value is not finite, labels are not in the
            table, the brain is empty or an image is the same all over it; the message names the case and the file.
    """
    files = read_files(case, modalities)
    brain = _brain(case, files)
    codes = (
        np.zeros(brain.shape, np.uint8)
        if files.labels is None
        else encode(files.labels, scheme, case.id)
    )
    box = _box(brain | (codes > 0))
    images = [
        _normal(case, name, file, brain, n4=n4)[box]
        for name, file in zip(modalities, files.images, strict=True)
    ]
    places = _places(codes[box], brain[box], len(scheme.values))
    facts = {
        "id": case.id,
        "digest": source_digest(case, scheme, modalities, n4=n4),
        "sha256": hash_files(case, modalities),
        "shape": images[0].shape,
        "start": [side.start for side in box],
        "counts": [len(flat) for flat in places],
        "modalities": list(modalities),
        "scheme": scheme.name,
        "values": scheme.values,
        "n4": n4,
        "version": VERSION,
    }
    arrays = {"images": np.stack(images), "codes": codes[box], "mask": brain[box].astype(np.uint8)}
    arrays |= {f"class-{code}": flat for code, flat in enumerate(places)}
    _write(folder, arrays, facts | _geometry(files.images[0]) | _noticed(files, brain, codes))
    return load_volume(folder)


def uncropped(codes: NDArray[np.uint8], facts: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Put the class codes of a prepared case back into its whole volume, as label values; 0 is outside the crop.

    Args:
        codes: (z, y, x) in the shape of the prepared arrays.
        facts: `Volume.facts`.
    """
    whole = np.full(facts["full_shape"], facts["values"][0], dtype=np.uint8)
    box = tuple(
        slice(start, start + side)
        for start, side in zip(facts["start"], facts["shape"], strict=True)
    )
    whole[box] = np.array(facts["values"], dtype=np.uint8)[codes]
    return whole


def _brain(case: RawCase, files: Files) -> Mask:
    brain = find_brain([file.array for file in files.images])
    if files.mask is not None:
        brain &= files.mask.array > 0
    if not brain.any():
        names = ", ".join(
            file.path.name for file in (files.mask, *files.images) if file is not None
        )
        raise DataError(f"Case {case.id}: the brain is empty in {names}. Check the files.")
    return brain


def _normal(
    case: RawCase, name: str, file: VolumeFile, brain: Mask, *, n4: bool
) -> NDArray[np.float16]:
    try:
        image = (
            correct_bias(file.array, brain, file.geometry) if n4 and name in BIASED else file.array
        )
        return normalize(image, brain)
    except DataError as error:
        raise DataError(
            f"Case {case.id}: {file.path.name} cannot be normalized: {error}"
        ) from error


def _box(inside: Mask) -> tuple[slice, ...]:
    sides = [np.flatnonzero(inside.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    return tuple(slice(int(side[0]), int(side[-1]) + 1) for side in sides)


def _places(codes: NDArray[np.uint8], brain: Mask, k: int) -> list[NDArray[np.int32]]:
    """List the flat indices of each class: healthy voxels of the brain, and a tumor's wherever they lie."""
    healthy = np.flatnonzero(brain & (codes == 0))
    return [
        flat.astype(np.int32)
        for flat in (healthy, *(np.flatnonzero(codes == code) for code in range(1, k)))
    ]


def _geometry(file: VolumeFile) -> dict[str, Any]:
    geometry = vars(file.geometry).copy()
    return {"full_shape": geometry.pop("shape"), **geometry}


def _noticed(files: Files, brain: Mask, codes: NDArray[np.uint8]) -> dict[str, Any]:
    return {
        "tumor_outside_brain": int(((codes > 0) & ~brain).sum()),
        "air_in_mask": 0 if files.mask is None else int(((files.mask.array > 0) & ~brain).sum()),
        "has_background": all(find_background(file.array) is not None for file in files.images),
        "has_labels": files.labels is not None,
    }


def _write(folder: Path, arrays: Mapping[str, Any], facts: dict[str, Any]) -> None:
    with atomic_folder(folder) as temporary:
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)
        sizes = {file.name: file.stat().st_size for file in temporary.iterdir()}
        write_json(temporary / "case.json", facts | {"bytes": sizes})

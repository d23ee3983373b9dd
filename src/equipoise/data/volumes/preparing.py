"""Turn the files of a case into arrays that training maps from disk: checked, cropped, normalized.

Source: Havaei et al. (2017), preprocessing: N4 on T1 and T1c (optional), intensities clipped to the
1st and 99th percentile of the brain and standardized there. Tumor voxels outside the brain (2 to
481 in each of four BraTS 2013 cases) keep their class and can be drawn, but their image is
background.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import fingerprint
from equipoise.atomic import atomic_folder
from equipoise.data.volume_dataset import Volume, load_volume
from equipoise.data.volumes.brain import Mask, correct_bias, find_background, find_brain, normalize
from equipoise.data.volumes.case_files import CaseVolumes, hash_files, read_files
from equipoise.data.volumes.case_record import CaseRecord
from equipoise.data.volumes.file import VolumeFile
from equipoise.data.volumes.labels import LabelScheme, encode
from equipoise.data.volumes.options import RawCase
from equipoise.data.walking import ignore_options
from equipoise.exceptions import DataError

VERSION = 1  # raise it when preparing changes
BIASED = ("T1", "T1c")  # modalities that N4 corrects
MOST_VALUES = 8  # of a label map
SAMPLED = 97  # voxels of which one is looked at first: an image soon shows more values


def source_digest(
    case: RawCase, scheme: LabelScheme, modalities: Sequence[str], *, n4: bool = False
) -> str:
    """Hash what determines the prepared arrays: bytes of the files, name of the case, options.

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

    The brain is where any modality differs from its background, inside the brain mask if there is
    one. The arrays are cropped to the smallest box around brain and tumor. Without a label file all
    of the brain counts as healthy.

    Args:
        case: Its files.
        scheme: Meaning of the values of its label file.
        modalities: Channels, in order.
        folder: Where the prepared case is written. The arrays are described in
            `equipoise.data.volume_dataset.Volume`, the record `case.json` in
            `equipoise.data.volumes.case_record.CaseRecord`.
        n4: Correct the bias field of T1 and T1c first.

    Raises:
        DataError: A modality is missing, shapes or geometries differ, a value is not finite, labels
            are not in the scheme, the brain is empty, or an image is constant in it or has few
            values, as a label map has; the message names the case and the file.
    """
    files = read_files(case, modalities)
    brain = _find_brain(case, files)
    labels = files.labels
    codes = np.zeros_like(brain, np.uint8) if labels is None else encode(labels, scheme, case.id)
    box = _bounding_box(brain | (codes > 0))
    images = [image[box] for image in _normalize_all(case, files, brain, modalities, n4=n4)]
    _refuse_label_maps(case, files)
    arrays: dict[str, NDArray[Any]] = {"images": np.stack(images), "codes": codes[box]}
    arrays["mask"] = brain[box].astype(np.uint8)
    counts = []
    for code in range(len(scheme.values)):
        of_class = codes[box] == code
        valid = brain[box] & of_class if code == 0 else of_class  # a tumor may be outside the brain
        arrays[f"class-{code}"] = np.flatnonzero(valid).astype(np.int32)
        counts.append(len(arrays[f"class-{code}"]))
    in_mask = brain if files.mask is None else files.mask.array > 0
    record = CaseRecord(
        id=case.id,
        digest=source_digest(case, scheme, modalities, n4=n4),
        shape=images[0].shape,
        start=(box[0].start, box[1].start, box[2].start),
        geometry=files.images[0].geometry,
        counts=tuple(counts),
        values=scheme.values,
        scheme=scheme.name,
        modalities=tuple(modalities),
        n4=n4,
        sha256=hash_files(case, modalities),
        tumor_outside_brain=int(((codes > 0) & ~brain).sum()),
        air_in_mask=int((in_mask & ~brain).sum()),
        has_background=all(find_background(file.array) is not None for file in files.images),
        has_labels=labels is not None,
        version=VERSION,
        voxels=files.voxel_digests(modalities),
    )
    with atomic_folder(folder) as temporary:
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)
        record.save(temporary)
    return load_volume(folder)


def uncropped(codes: NDArray[np.uint8], record: CaseRecord) -> NDArray[np.uint8]:
    """Put the class codes of a prepared case back into its whole volume, as label values.

    Args:
        codes: (z, y, x) in the shape of the prepared arrays.
        record: Record of the case; outside the crop the result has its first label value.
    """
    values = np.array(record.values, dtype=np.uint8)
    whole = np.full(record.geometry.shape, values[0], dtype=np.uint8)
    box = []
    for start, side in zip(record.start, record.shape, strict=True):
        box.append(slice(start, start + side))
    whole[tuple(box)] = values[codes]
    return whole


def _refuse_label_maps(case: RawCase, files: CaseVolumes) -> None:
    """Check that no image has a few whole numbers only: it would show the answer to a network."""
    for file in files.images:
        values = np.unique(file.array.ravel()[::SAMPLED])
        if len(values) <= MOST_VALUES:
            values = np.unique(file.array)
        if 1 < len(values) <= MOST_VALUES and (values == np.rint(values)).all():
            listed = ", ".join(f"{value:g}" for value in values)
            raise DataError(
                f"Case {case.id}: {file.path.name} has only the values {listed}, as a label map "
                "or a prediction has, not an image. Leave it out with ignore "
                f"({ignore_options([file.path.name])}), or move it away."
            )


def _find_brain(case: RawCase, files: CaseVolumes) -> Mask:
    """Return the mask of the brain, inside the given brain mask if there is one."""
    brain = find_brain([file.array for file in files.images])
    names = [file.path.name for file in files.images]
    if files.mask is not None:
        brain &= files.mask.array > 0
        names.insert(0, files.mask.path.name)
    if not brain.any():
        raise DataError(
            f"Case {case.id}: the brain is empty in {', '.join(names)}. Check the files."
        )
    return brain


def _bounding_box(inside: Mask) -> tuple[slice, ...]:
    """Return the smallest box (z, y, x) around all True voxels."""
    sides = []
    for axes in ((1, 2), (0, 2), (0, 1)):
        places = np.flatnonzero(inside.any(axis=axes))
        sides.append(slice(int(places[0]), int(places[-1]) + 1))
    return tuple(sides)


def _normalize_all(
    case: RawCase, files: CaseVolumes, brain: Mask, modalities: Sequence[str], *, n4: bool
) -> list[NDArray[np.float16]]:
    """Normalize each modality, those with a bias field after correcting it."""
    images = []
    for name, file in zip(modalities, files.images, strict=True):
        images.append(_normalize(case, file, brain, corrects_bias=n4 and name in BIASED))
    return images


def _normalize(
    case: RawCase, file: VolumeFile, brain: Mask, *, corrects_bias: bool
) -> NDArray[np.float16]:
    try:
        if corrects_bias:
            return normalize(correct_bias(file.array, brain, file.geometry), brain)
        return normalize(file.array, brain)
    except DataError as error:
        raise DataError(
            f"Case {case.id}: {file.path.name} cannot be normalized: {error}"
        ) from error

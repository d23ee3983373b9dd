"""Drawn brain tumors in the files and folders of real ones (methods 6.1), as many patients as wanted.

They need no download and no permission. They stand in for real scans in the demo and in tests: no result on them
says anything about medicine. Classes overlap and healthy tissue imitates tumor on purpose, so that methods differ.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from equipoise.atomic import atomic_folder, make_folder, read_json, write_json
from equipoise.data.phantoms.brain_shapes import Brain, Codes, Head, Lesion, draw_brain, draw_lesion
from equipoise.data.phantoms.drawing import Chance, Solid
from equipoise.exceptions import SettingError

MODALITIES = ("flair", "t1", "t1c", "t2")
N_HEALTHY = 5
MEANS = np.array(  # rows: tissues of brain_shapes, then classes 1 to 4; columns: MODALITIES
    [
        [0.20, 0.22, 0.22, 0.98],  # cerebrospinal fluid
        [0.56, 0.50, 0.53, 0.60],  # gray
        [0.47, 0.68, 0.70, 0.44],  # white
        [0.46, 0.44, 0.88, 0.46],  # vessel
        [0.72, 0.57, 0.59, 0.66],  # spot
        [0.52, 0.36, 0.37, 0.82],  # necrosis
        [0.78, 0.50, 0.52, 0.78],  # edema
        [0.70, 0.45, 0.50, 0.70],  # non-enhancing
        [0.68, 0.47, 0.88, 0.66],  # enhancing
    ]
)
PATIENT_SPREAD = np.array([0.02] * N_HEALTHY + [0.04] * 4)[
    :, None
]  # of the means, between patients
UNEVEN = np.array(
    [0.04, 0.03, 0.03, 0.10, 0.08, 0.07, 0.06, 0.06, 0.08]
)  # of the values within a tissue
NOISE = 0.05
BIAS = 0.10  # deviation of the logarithm of the coils' sensitivity
WANDER_MM = 1.4  # between the border that was drawn by hand and what the images show
BLUR_MM = 2.0


def paint_brain(head: Head, brain: Brain, codes: Codes) -> NDArray[np.int16]:
    """Draw (4, z, y, x) raw values, 0 outside the brain, at least 1 in it; units differ between images."""
    seen = brain.tissue.copy()
    shown = _wandered(head, codes)
    seen[shown > 0] = shown[shown > 0] + (N_HEALTHY - 1)
    spread = PATIENT_SPREAD * head.chance.normal("means", *MEANS.shape)
    images = [_image(head, name, seen, (MEANS + spread)[:, c]) for c, name in enumerate(MODALITIES)]
    raw = np.where(brain.mask, np.clip(np.rint(np.stack(images)), 1, np.iinfo(np.int16).max), 0)
    return raw.astype(np.int16)


def _wandered(head: Head, codes: Codes) -> Codes:
    """Move the borders a little: nobody traces a tumor exactly."""
    steps = [WANDER_MM / mm * head.field(f"wander {k}", 14) for k, mm in enumerate(head.spacing_mm)]
    return np.asarray(map_coordinates(codes, np.indices(head.shape) + np.stack(steps), order=0))


def _image(head: Head, name: str, seen: Codes, means: NDArray[np.floating]) -> Solid:
    light = means[seen] + UNEVEN[seen] * head.field(f"{name} uneven", 16)
    light = gaussian_filter(light, [BLUR_MM / 2 / mm for mm in head.spacing_mm])
    light = light + 0.02 * head.field(f"{name} texture", 8)
    light = light * np.exp(BIAS * head.field(f"{name} bias", 110))
    real, imaginary = NOISE * head.chance.normal(f"{name} noise", 2, *head.shape)
    return np.asarray(head.number(f"{name} scale", 300, 1200) * np.hypot(light + real, imaginary))


VERSION = 1  # raise it when the drawings change
NOTE = "Drawn by a computer. It shows no patient and says nothing about medicine."
FACTS = "drawn.json"
# Mean shares of all voxels, by kind of patient; over five of the first and one of the second about those of 6.1.
HIGH_GRADE = {"necrosis": 0.0036, "edema": 0.015, "non_enhancing": 0.0025, "enhancing": 0.0048}
LOW_GRADE = {"necrosis": 0.0, "edema": 0.015, "non_enhancing": 0.0055, "enhancing": 0.0}
SPREAD = 0.35  # of the logarithm of a tumor's size, and of each of its parts
SECOND = 0.3  # share of the smaller of two lesions


def write_brains(folder: Path, n: int, *, side: int = 64, depth: int = 24, seed: int = 0) -> Path:
    """Write n patients: `patient-000/flair.nii.gz`, t1, t1c, t2 (int16, 0 outside the brain) and seg (uint8).

    Labels are 0 healthy, 1 necrosis, 2 edema, 3 non-enhancing, 4 enhancing (scheme "brats2013"). One patient in six
    has no enhancing part and no necrosis, one in four has two lesions. Patient i does not depend on n. Patients
    that are there already are kept.

    Args:
        folder: Where to write; made if missing.
        n: Number of patients, 1 to 1000.
        side: Voxels along x and y, 16 to 256, of 192 mm.
        depth: Voxels along z, 8 to 256, of 144 mm.
        seed: The same seed gives the same bytes.

    Returns:
        The folder.

    Raises:
        SettingError: A number is out of range, or the folder holds patients of other settings.
    """
    _check(n, side, depth)
    folder = Path(folder)
    make_folder(folder)
    for i in range(n):
        settings = {
            "note": NOTE,
            "version": VERSION,
            "side": side,
            "depth": depth,
            "seed": seed,
            "patient": i,
        }
        target = folder / f"patient-{i:03d}"
        if target.exists():
            _check_same(target, settings)
        else:
            _write(target, settings)
    return folder


def _write(target: Path, settings: dict[str, Any]) -> None:
    shape = (settings["depth"], settings["side"], settings["side"])
    head = Head(Chance(settings["seed"], "brain", settings["patient"]), shape)
    brain = draw_brain(head)
    codes: Codes = np.zeros(head.shape, dtype=np.uint8)
    for lesion in _lesions(head, settings["patient"]):
        draw_lesion(head, brain, codes, lesion)
    images = dict(zip(MODALITIES, paint_brain(head, brain, codes), strict=True))
    with atomic_folder(target) as temporary:
        for name, array in {**images, "seg": codes}.items():
            _save(temporary / f"{name}.nii.gz", array, head)
        write_json(temporary / FACTS, settings)


def _lesions(head: Head, patient: int) -> list[Lesion]:
    """Choose the parts' numbers of voxels: sizes vary between patients, two kinds of patients by turns."""
    shares = LOW_GRADE if patient % 6 == 4 else HIGH_GRADE
    whole = SPREAD * float(head.chance.normal("tumor"))
    n_voxels = math.prod(head.shape) * math.exp(
        whole - SPREAD**2
    )  # so that the mean share is as asked
    wanted = {
        part: n_voxels * share * math.exp(SPREAD * float(head.chance.normal(part)))
        for part, share in shares.items()
    }
    sizes = (1 - SECOND, SECOND) if patient % 4 == 2 else (1.0,)
    return [
        Lesion(f"lesion {k}", **{part: math.ceil(size * voxels) for part, voxels in wanted.items()})
        for k, size in enumerate(sizes)
    ]


def _save(path: Path, array: NDArray[Any], head: Head) -> None:
    import SimpleITK as sitk  # noqa: N813  # loads slowly, and only who draws brains needs it

    image: Any = sitk.GetImageFromArray(array)
    image.SetSpacing(head.spacing_mm[::-1])
    tilt = math.radians(head.number("tilt", -8, 8))  # of the slices, about the axis from ear to ear
    image.SetDirection(
        (1, 0, 0, 0, math.cos(tilt), -math.sin(tilt), 0, math.sin(tilt), math.cos(tilt))
    )
    image.SetOrigin(
        [-96.0, -96.0 + head.number("origin y", -9, 9), -72.0 + head.number("origin z", -9, 9)]
    )
    sitk.WriteImage(image, str(path), useCompression=True)


def _check(n: int, side: int, depth: int) -> None:
    for name, value, (low, high) in (
        ("patients", n, (1, 1000)), ("voxels a side", side, (16, 256)), ("slices", depth, (8, 256)),
    ):  # fmt: skip
        if not low <= value <= high:
            raise SettingError(f"Expected {low} to {high} {name}, got {value}.")


def _check_same(target: Path, settings: dict[str, Any]) -> None:
    path = target / FACTS
    found = read_json(path) if path.is_file() else f"no {FACTS}"
    if found != settings:
        raise SettingError(
            f"Expected {target} to be drawn with {settings}, got {found}. Choose another folder."
        )

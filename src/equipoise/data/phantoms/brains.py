"""Drawn brain tumors in the files and folders of real ones, for any number of patients.

They need no download and no permission. They stand in for real scans in the demo and in tests: no
result on them says anything about medicine. Classes overlap and healthy tissue imitates tumor on
purpose, so that methods differ. Files, labels and modalities are those of BraTS 2013 (Menze et al.
2015).
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from equipoise.atomic import atomic_folder, make_folder, read_json, write_json
from equipoise.data.phantoms.brain_shapes import Brain, Codes, Head, Lesion, draw_brain, draw_lesion
from equipoise.data.phantoms.drawing import NamedRandom, Solid
from equipoise.data.volumes.file import write_whole
from equipoise.exceptions import SettingError
from equipoise.extras import import_itk

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
# Standard deviations of the means between patients, (9, 1), and of values within a tissue, (9,).
PATIENT_SPREAD = np.array([0.02] * N_HEALTHY + [0.04] * 4)[:, None]
UNEVEN = np.array([0.04, 0.03, 0.03, 0.10, 0.08, 0.07, 0.06, 0.06, 0.08])
NOISE = 0.05
BIAS = 0.10  # standard deviation of the logarithm of the coils' sensitivity
WANDER_MM = 1.4  # between a border traced by hand and what the images show
BLUR_MM = 2.0

VERSION = 1  # raise it when the drawings change
NOTE = "Drawn by a computer. It shows no patient and says nothing about medicine."
DRAWN_FILE = "drawn.json"
# Mean shares of all voxels by kind of patient. Five of the first and one of the second have about
# 1.5 % edema, 0.3 % necrosis, 0.3 % non-enhancing and 0.4 % enhancing tumor.
HIGH_GRADE = {"necrosis": 0.0036, "edema": 0.015, "non_enhancing": 0.0025, "enhancing": 0.0048}
LOW_GRADE = {"necrosis": 0.0, "edema": 0.015, "non_enhancing": 0.0055, "enhancing": 0.0}
SPREAD = 0.35  # of the logarithm of a tumor's size, and of each of its parts
SECOND_SHARE = 0.3  # of the smaller of two lesions
RANGES = {"patients": (1, 1000), "voxels a side": (16, 256), "slices": (8, 256)}


@dataclass(frozen=True, kw_only=True)
class _Drawing:
    """Everything that determines the files of a patient; stored beside them as JSON."""

    patient: int
    side: int
    depth: int
    seed: int
    note: str = NOTE
    version: int = VERSION


def write_brains(folder: Path, n: int, *, side: int = 64, depth: int = 24, seed: int = 0) -> Path:
    """Write n patients: `patient-000/flair.nii.gz`, t1, t1c, t2 and seg, and so on.

    Images are int16, 0 outside the brain. Labels (uint8) are 0 healthy, 1 necrosis, 2 edema, 3
    non-enhancing, 4 enhancing (scheme "brats2013"). One patient in six has no enhancing part and no
    necrosis, one in four has two lesions. Patient i does not depend on n. Patients that exist
    already are kept.

    Args:
        folder: Where to write; created if missing.
        n: Number of patients, 1 to 1000.
        side: Voxels along x and y, 16 to 256, of 192 mm.
        depth: Voxels along z, 8 to 256, of 144 mm.
        seed: The same seed gives the same bytes.

    Returns:
        The folder.

    Raises:
        SettingError: A number is out of range, or the folder has patients of other settings.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     folder = write_brains(Path(name, "brains"), 1, side=16, depth=8)
        ...     files = sorted(file.name for file in (folder / "patient-000").iterdir())
        >>> files
        ['drawn.json', 'flair.nii.gz', 'seg.nii.gz', 't1.nii.gz', 't1c.nii.gz', 't2.nii.gz']
    """
    for value, (name, (low, high)) in zip((n, side, depth), RANGES.items(), strict=True):
        if not low <= value <= high:
            raise SettingError(f"Expected {low} to {high} {name}, got {value}.")
    folder = Path(folder)
    make_folder(folder)
    for i in range(n):
        drawing = _Drawing(patient=i, side=side, depth=depth, seed=seed)
        target = folder / f"patient-{i:03d}"
        if not target.exists():
            _write_patient(target, drawing)
            continue
        path = target / DRAWN_FILE
        stored = read_json(path) if path.is_file() else f"no {DRAWN_FILE}"
        if stored != asdict(drawing):
            raise SettingError(
                f"Expected {target} to be drawn with {asdict(drawing)}, got {stored}. "
                "Choose another folder."
            )
    return folder


def paint_brain(head: Head, brain: Brain, codes: Codes) -> NDArray[np.int16]:
    """Draw raw values (4, z, y, x), 0 outside the brain and at least 1 in it.

    Units differ between images.
    """
    # The images show the borders of a tumor a little beside those in the label map.
    steps = []
    for k, mm in enumerate(head.spacing_mm):
        steps.append(WANDER_MM / mm * head.field(f"wander {k}", 14))
    visible_codes = map_coordinates(codes, np.indices(head.shape) + np.stack(steps), order=0)
    tissue = brain.tissue.copy()  # rows of MEANS
    is_tumor = visible_codes > 0
    tissue[is_tumor] = visible_codes[is_tumor] + (N_HEALTHY - 1)
    means = MEANS + PATIENT_SPREAD * head.random.normal("means", *MEANS.shape)
    images = np.empty((len(MODALITIES), *head.shape))
    for c, name in enumerate(MODALITIES):
        images[c] = _paint_modality(head, name, tissue, means[:, c])
    raw = np.where(brain.mask, np.clip(np.rint(images), 1, np.iinfo(np.int16).max), 0)
    return raw.astype(np.int16)


def _paint_modality(head: Head, name: str, tissue: Codes, means: NDArray[np.floating]) -> Solid:
    light = means[tissue] + UNEVEN[tissue] * head.field(f"{name} uneven", 16)
    light = gaussian_filter(light, [BLUR_MM / 2 / mm for mm in head.spacing_mm])
    light = light + 0.02 * head.field(f"{name} texture", 8)
    light = light * np.exp(BIAS * head.field(f"{name} bias", 110))
    real, imaginary = NOISE * head.random.normal(f"{name} noise", 2, *head.shape)
    return np.asarray(head.number(f"{name} scale", 300, 1200) * np.hypot(light + real, imaginary))


def _write_patient(target: Path, drawing: _Drawing) -> None:
    shape = (drawing.depth, drawing.side, drawing.side)
    head = Head(NamedRandom(drawing.seed, "brain", drawing.patient), shape)
    brain = draw_brain(head)
    codes: Codes = np.zeros(head.shape, dtype=np.uint8)
    for lesion in _choose_lesions(head, drawing.patient):
        draw_lesion(head, brain, codes, lesion)
    images = paint_brain(head, brain, codes)
    with atomic_folder(target, shared=True) as temporary:  # nobody's brain
        for name, image in zip(MODALITIES, images, strict=True):
            _save(temporary / f"{name}.nii.gz", image, head)
        _save(temporary / "seg.nii.gz", codes, head)
        write_json(temporary / DRAWN_FILE, asdict(drawing))


def _choose_lesions(head: Head, patient: int) -> list[Lesion]:
    """Choose the sizes of the parts, which vary between patients, and one lesion or two."""
    shares = LOW_GRADE if patient % 6 == 4 else HIGH_GRADE
    log_size = SPREAD * float(head.random.normal("tumor"))
    # SPREAD**2 corrects for the spread, so that the mean share is the requested one.
    n_voxels = math.prod(head.shape) * math.exp(log_size - SPREAD**2)
    sizes = (1 - SECOND_SHARE, SECOND_SHARE) if patient % 4 == 2 else (1.0,)
    lesions = []
    for k, size in enumerate(sizes):
        counts = {}
        for part, share in shares.items():
            voxels = n_voxels * share * math.exp(SPREAD * float(head.random.normal(part)))
            counts[part] = math.ceil(size * voxels)
        lesions.append(Lesion(f"lesion {k}", **counts))
    return lesions


def _save(path: Path, array: NDArray[Any], head: Head) -> None:
    """Write a volume in the patient's geometry, with slices tilted about the ear-to-ear axis."""
    itk = import_itk()

    tilt = math.radians(head.number("tilt", -8, 8))
    cosine, sine = math.cos(tilt), math.sin(tilt)
    image: Any = itk.GetImageFromArray(array)
    image.SetSpacing(head.spacing_mm[::-1])
    image.SetDirection((1, 0, 0, 0, cosine, -sine, 0, sine, cosine))
    origin_y = -96.0 + head.number("origin y", -9, 9)
    origin_z = -72.0 + head.number("origin z", -9, 9)
    image.SetOrigin([-96.0, origin_y, origin_z])
    write_whole(image, path)

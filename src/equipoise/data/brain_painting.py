"""Paint four MR images of a drawn brain: means of each tissue, and what makes them overlap.

The means follow what these sequences show: fluid is bright on T2 and, unless it is free, on FLAIR; enhancing tumor
and vessels are bright on T1 with contrast; white matter is brighter than gray on T1 and darker on T2.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from equipoise.data.brain_shapes import Brain, Codes, Head
from equipoise.data.drawing import Solid

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
PATIENT_SPREAD = np.array([0.02] * N_HEALTHY + [0.04] * 4)[:, None]  # of the means, between patients
UNEVEN = np.array([0.04, 0.03, 0.03, 0.10, 0.08, 0.07, 0.06, 0.06, 0.08])  # of the values within a tissue
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

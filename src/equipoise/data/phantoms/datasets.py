"""Drawn, labeled images with patients: Pap-smear-like cells and chest-film-like films.

They need no download and no permission, and any number can be drawn. They stand in for real
images in the demo and in tests: no result on them says anything about medicine. Classes overlap on
purpose, so that methods differ.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images
from equipoise.data.dataset import ImageDataset
from equipoise.data.phantoms.cells import paint_cells
from equipoise.data.phantoms.drawing import NamedRandom
from equipoise.data.phantoms.films import paint_films
from equipoise.exceptions import SettingError
from equipoise.randomness import make_rng

CELL_NAMES = {
    2: ("normal", "abnormal"),
    3: ("normal", "low_grade", "high_grade"),
    4: ("normal", "mild", "moderate", "severe"),
    5: ("normal", "mild", "moderate", "severe", "carcinoma"),
    6: ("superficial", "intermediate", "mild", "moderate", "severe", "carcinoma"),
    7: ("superficial", "intermediate", "parabasal", "mild", "moderate", "severe", "carcinoma"),
}
FILM_NAMES = {2: ("normal", "pneumonia"), 3: ("normal", "pneumonia", "covid")}

# Images drawn at once. A block has its own random stream, so changing the size changes all images.
BLOCK = 64
N_TRAITS = 6  # numbers in which patients differ: stain, light, build

Paint = Callable[[NamedRandom, int, int, NDArray[np.float32], int], Images]
"""Draw a block: random numbers, class, number of classes, traits (n, N_TRAITS), side in pixels."""


def cells(counts: Sequence[int], *, size: int = 48, seed: int = 0) -> ImageDataset:
    """Draw cervical cells, RGB uint8: in higher classes nuclei are larger, darker, less regular.

    Image i of a class, and its patient, do not depend on how many images are drawn.

    Args:
        counts: Images of each of 2 to 7 classes, in order of growing dysplasia.
        size: Side in pixels, 28 to 256.
        seed: The same seed gives the same bytes.

    Raises:
        SettingError: Another number of classes or another size, or a class without an image.

    Example:
        >>> dataset = cells((8, 3, 2), size=32)
        >>> dataset.images.shape, dataset.class_names
        ((13, 3, 32, 32), ('normal', 'low_grade', 'high_grade'))
    """
    return _draw("cells", counts, CELL_NAMES, paint_cells, size=size, seed=seed)


def chest_films(counts: Sequence[int], *, size: int = 64, seed: int = 0) -> ImageDataset:
    """Draw frontal chest films, gray uint8: normal, a cloud in one lung, faint patches in both.

    Image i of a class, and its patient, do not depend on how many images are drawn.

    Args:
        counts: Images of each of 2 or 3 classes.
        size: Side in pixels, 28 to 256.
        seed: The same seed gives the same bytes.

    Raises:
        SettingError: Another number of classes or another size, or a class without an image.

    Example:
        >>> dataset = chest_films((5, 2), size=32)
        >>> dataset.images.shape, dataset.ids[-1]
        ((7, 1, 32, 32), np.str_('pneumonia-00001'))
    """
    return _draw("chest", counts, FILM_NAMES, paint_films, size=size, seed=seed)


def _draw(
    kind: str,
    counts: Sequence[int],
    names: Mapping[int, tuple[str, ...]],
    paint: Paint,
    *,
    size: int,
    seed: int,
) -> ImageDataset:
    if len(counts) not in names:
        raise SettingError(
            f"Expected counts of {min(names)} to {max(names)} classes, got {len(counts)}."
        )
    if min(counts) < 1:
        raise SettingError(f"Expected at least 1 image of every class, got {list(counts)}.")
    if not 28 <= size <= 256:
        raise SettingError(f"Expected a size from 28 to 256 pixels, got {size}.")
    class_names = names[len(counts)]
    images, groups = [], []
    ids: list[str] = []
    for label, n in enumerate(counts):
        patients = _patients(n, label, make_rng(seed, kind, "patients", label))
        traits = make_rng(seed, kind, "traits").standard_normal(
            (patients.max() + 1, N_TRAITS), dtype=np.float32
        )
        for start in range(0, n, BLOCK):
            random = NamedRandom(seed, kind, label, start)
            block = traits[patients[start : start + BLOCK]]
            images.append(paint(random, label, len(counts), block, size))
        groups.append(patients)
        ids += [f"{class_names[label]}-{i:05d}" for i in range(n)]
    return ImageDataset(
        images=np.concatenate(images),
        labels=np.repeat(np.arange(len(counts)), counts).astype(np.int64),
        class_names=class_names,
        groups=np.concatenate(groups),
        ids=np.array(ids),
    )


def _patients(n: int, label: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the patients of n images: 1 to 4 images each; every eighth is in all classes."""
    number = np.repeat(np.arange(n), rng.integers(1, 5, size=n))[:n]
    return (10 * number + np.where(number % 8 == 7, 0, label)).astype(np.int64)

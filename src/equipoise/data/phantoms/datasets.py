"""Drawn, labelled images with patients: Pap-smear-like cells and chest-film-like films, as many as wanted.

They need no download and no permission. They stand in for real images in the demo and in tests: no result on them
says anything about medicine. Classes overlap on purpose, so that methods differ.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images
from equipoise.data.dataset import ImageDataset
from equipoise.data.phantoms.cells import paint_cells
from equipoise.data.phantoms.drawing import Chance
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

BLOCK = (
    64  # images drawn at once; a block has a chance of its own, so changing it changes all images
)
N_TRAITS = 6  # numbers in which patients differ: stain, light, build

Paint = Callable[[Chance, int, int, NDArray[np.float32], int], Images]
"""Draw one block: its chance, the class, the number of classes, traits (n, N_TRAITS), the side in pixels."""


def cells(counts: Sequence[int], *, size: int = 48, seed: int = 0) -> ImageDataset:
    """Draw cervical cells, RGB uint8: the higher the class, the larger, darker and less regular the nucleus.

    Image i of a class, and its patient, do not depend on how many images are drawn.

    Args:
        counts: Images of each of 2 to 7 classes, in order of growing dysplasia.
        size: Side in pixels, 28 to 256.
        seed: The same seed gives the same bytes.

    Raises:
        SettingError: Another number of classes or another size, or a class without an image.
    """
    return _draw("cells", counts, CELL_NAMES, paint_cells, size=size, seed=seed)


def chest_films(counts: Sequence[int], *, size: int = 64, seed: int = 0) -> ImageDataset:
    """Draw frontal chest films, gray uint8: normal, with a cloud in one lung, with faint patches in both.

    Image i of a class, and its patient, do not depend on how many images are drawn.

    Args:
        counts: Images of each of 2 or 3 classes.
        size: Side in pixels, 28 to 256.
        seed: The same seed gives the same bytes.

    Raises:
        SettingError: Another number of classes or another size, or a class without an image.
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
    _check(counts, names, size)
    images, groups = [], []
    for label, n in enumerate(counts):
        owners = _patients(n, label, make_rng(seed, kind, "patients", label))
        traits = make_rng(seed, kind, "traits").standard_normal(
            (owners.max() + 1, N_TRAITS), dtype=np.float32
        )
        for start in range(0, n, BLOCK):
            block = traits[owners[start : start + BLOCK]]
            images.append(paint(Chance(seed, kind, label, start), label, len(counts), block, size))
        groups.append(owners)
    class_names = names[len(counts)]
    return ImageDataset(
        images=np.concatenate(images),
        labels=np.repeat(np.arange(len(counts)), counts).astype(np.int64),
        class_names=class_names,
        groups=np.concatenate(groups),
        ids=np.array(
            [
                f"{name}-{i:05d}"
                for name, n in zip(class_names, counts, strict=True)
                for i in range(n)
            ]
        ),
    )


def _patients(n: int, label: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Give 1 to 4 successive images to each patient; every eighth patient has images of all classes."""
    number = np.repeat(np.arange(n), rng.integers(1, 5, size=n))[:n]
    return (10 * number + np.where(number % 8 == 7, 0, label)).astype(np.int64)


def _check(counts: Sequence[int], names: Mapping[int, tuple[str, ...]], size: int) -> None:
    if len(counts) not in names:
        raise SettingError(
            f"Expected counts of {min(names)} to {max(names)} classes, got {len(counts)}."
        )
    if min(counts) < 1:
        raise SettingError(f"Expected at least 1 image of every class, got {list(counts)}.")
    if not 28 <= size <= 256:
        raise SettingError(f"Expected a size from 28 to 256 pixels, got {size}.")

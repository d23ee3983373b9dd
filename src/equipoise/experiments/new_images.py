"""New images of chosen classes from a fitted generator."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from equipoise.arrays import Images
from equipoise.discovery import unknown
from equipoise.exceptions import DataError, SettingError
from equipoise.randomness import derive_seed
from equipoise.training.progress import report

if TYPE_CHECKING:
    from equipoise.resampling.base import Oversampler

ALL = "all"
BLOCK = 64  # images made at a time


def make_images(generator: "Oversampler", label: int, n: int, *, seed: int, name: str) -> Images:
    """Make n images of one class, (n, c, h, w) in storage type; `name` says in reports of progress what it is.

    They are made in blocks that each have a seed of their own, so that image i depends on generator, seed, class
    and i alone: asked for more of them, the first stay the same.
    """
    blocks = []
    for start in range(0, n, BLOCK):
        report(f"images of {name}", start, n)
        block = generator.generate(np.full(BLOCK, label), seed=derive_seed("generate", seed, label, start))
        blocks.append(block[: n - start])
    report(f"images of {name}", n, n)
    return np.concatenate(blocks)


def find_labels(generator: "Oversampler", asked: Sequence[str], names: Sequence[str]) -> list[int]:
    """Turn names of classes, or "all", into labels that the generator learned.

    Raises:
        SettingError: No such class.
        DataError: The generator did not learn it.
    """
    learned = [label for label in generator.classes_.tolist() if _knows(generator, label)]
    if not learned:
        raise DataError("This generator learned nothing, because no class had to grow. Choose another method.")
    if tuple(asked) == (ALL,) and ALL not in names:
        return learned
    for name in asked:
        if name not in names:
            raise SettingError(unknown(name, [*names, ALL], "class"))
        if names.index(name) not in learned:
            known = ", ".join(names[label] for label in learned)
            raise DataError(
                f"This generator did not learn to make images of class '{name}', often because that is the largest "
                f"and had not to grow. It makes: {known}."
            )
    return [names.index(name) for name in asked]


def _knows(generator: "Oversampler", label: int) -> bool:
    """Try one image: an oversampler has no other way to say that it never learned a class."""
    try:
        generator.generate(np.array([label]))
    except DataError:
        return False
    return True

"""PRDC and KID of two feature sets against their definitions with whole matrices."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import polynomial_kernel

from benchmarks.timing import Pair, side_by_side
from equipoise.metrics.fidelity import kid_interval, prdc

Array = NDArray[np.float64]
Work = Callable[..., Any]


def measure(n: int = 1000, dimension: int = 2048) -> Iterator[Pair]:
    rng = np.random.default_rng(0)
    sets = np.abs(rng.normal(size=(2, n, dimension)))
    of = f"{n:,} and {n:,} of {dimension:,}"
    yield _compare(
        f"PRDC, {of}", prdc, whole_prdc, sets, "reference: SciPy's distances, whole and sorted"
    )
    yield _compare(
        f"KID, {of}",
        kid_interval,
        whole_kid,
        sets,
        "reference: scikit-learn's kernels, no interval",
    )


def whole_prdc(real: Array, fake: Array, k: int = 5) -> tuple[float, ...]:
    of_real, of_fake = (np.sort(cdist(x, x), axis=1)[:, k] for x in (real, fake))
    distances = cdist(real, fake)
    inside = distances < of_real[:, None]
    means = (
        inside.any(axis=0),
        (distances < of_fake).any(axis=1),
        inside / k * len(real),
        inside.any(axis=1),
    )
    return tuple(float(mean.mean()) for mean in means)


def whole_kid(real: Array, fake: Array) -> float:
    n = len(real)
    within = [polynomial_kernel(x) for x in (real, fake)]
    means = [(kernel.sum() - np.trace(kernel)) / (n * (n - 1)) for kernel in within]
    return float(sum(means) - 2 * polynomial_kernel(real, fake).mean())


def _compare(name: str, ours: Work, reference: Work, sets: Array, note: str) -> Pair:
    def once(work: Work) -> Callable[[], float]:
        return lambda: float(work(*sets) is not None)

    return side_by_side(name, once(ours), once(reference), unit="times/s", note=note, rounds=3)

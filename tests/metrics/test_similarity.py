"""MS-SSIM against two public implementations, a slow direct first, and its definition."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from equipoise.arrays import Images
from equipoise.exceptions import DataError
from equipoise.metrics.similarity import WEIGHTS, diversity, ms_ssim, n_scales

BYTES = (0.0, 255.0)
Array = NDArray[np.float64]


def pair(side: int = 176) -> tuple[Images, Images]:
    """Draw waves, and the same waves with faster waves and noise on them."""
    noise = np.random.default_rng(0).normal(0, 12, size=(1, 1, 176, 176))
    y, x = np.mgrid[:176, :176] / 176
    waves = (128 + 100 * np.sin(9 * x + 4 * y))[None, None]
    both = waves, waves + 20 * np.cos(25 * x * y) + noise
    first, second = (np.clip(np.rint(z), 0, 255).astype(np.uint8)[..., :side, :side] for z in both)
    return first, second


def draws(n: int, side: int = 24, channels: int = 1) -> Images:
    return np.random.default_rng(1).integers(0, 256, size=(n, channels, side, side), dtype=np.uint8)


def test_five_scales_equal_a_public_implementation() -> None:
    """Reference: pytorch-msssim 1.0.0 on `pair()`, data_range 255, in float64: 0.8692."""
    assert ms_ssim(*pair(), span=BYTES)[0] == pytest.approx(0.8692, abs=5e-5)


def test_one_scale_equals_scikit_image() -> None:
    """structural_similarity of scikit-image 0.26, Gaussian weights, 15 px: 0.4849319925028633."""
    assert ms_ssim(*pair(15), span=BYTES)[0] == pytest.approx(0.4849319925, rel=1e-9)


def directly(first: Array, second: Array, scales: int) -> float:
    """Compute it window by window at every scale, as the paper prints it, for values in 0..1."""
    axis = np.arange(-5, 6)
    window = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * 1.5**2))
    window /= window.sum()
    weights, total = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales]), 1.0
    for scale in range(scales):
        parts = []
        for i, j in itertools.product(*(range(side - 10) for side in first.shape)):
            a, b = (z[i : i + 11, j : j + 11] for z in (first, second))
            m, n = (window * a).sum(), (window * b).sum()
            v, w = (window * (a - m) ** 2).sum(), (window * (b - n) ** 2).sum()
            part = (2 * (window * (a - m) * (b - n)).sum() + 0.03**2) / (v + w + 0.03**2)
            light = (2 * m * n + 0.01**2) / (m**2 + n**2 + 0.01**2)
            parts.append(part * light if scale == scales - 1 else part)
        total *= max(np.mean(parts), 0) ** weights[scale]
        first, second = (
            (z[::2, ::2] + z[1::2, ::2] + z[::2, 1::2] + z[1::2, 1::2]) / 4 for z in (first, second)
        )
    return float(total)


def test_two_scales_equal_a_loop_over_all_windows() -> None:
    first, second = pair(24)
    expected = directly(first[0, 0] / 255, second[0, 0] / 255, 2)
    assert ms_ssim(first, second, span=BYTES)[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("side", "expected"),
    [(11, 1), (21, 1), (22, 2), (28, 2), (44, 3), (64, 3), (128, 4), (175, 4), (176, 5), (512, 5)],
)
def test_as_many_scales_as_fit_a_window(side: int, expected: int) -> None:
    assert n_scales(side, side + 3) == n_scales(side + 3, side) == expected


def test_equal_is_1_symmetric_and_any_storage_type() -> None:
    first, second = draws(3, channels=3), np.roll(draws(3, channels=3), 1, axis=3)
    assert_allclose(ms_ssim(first, first, span=BYTES), 1)
    values = ms_ssim(first, second, span=BYTES)
    assert_allclose(values, ms_ssim(second, first, span=BYTES))
    assert values.min() >= 0
    assert values.max() < 0.5
    deep = ms_ssim(*(z.astype(np.uint16) * 257 for z in (first, second)), span=(0.0, 65535.0))
    real = ms_ssim(*((z / 255).astype(np.float32) for z in (first, second)), span=(0.0, 1.0))
    assert_allclose(deep, values, rtol=1e-9)
    assert_allclose(real, values, rtol=1e-5)
    by_channel = [ms_ssim(first[:, [c]], second[:, [c]], span=BYTES) for c in range(3)]
    assert_allclose(np.mean(by_channel, axis=0), values)


def test_diversity_is_the_mean_of_all_pairs_with_a_jackknife_interval() -> None:
    images = np.concatenate([draws(6, 12), draws(2, 12)])  # two occur twice
    pairs = {
        (i, j): float(ms_ssim(images[[i]], images[[j]], span=BYTES)[0])
        for i, j in itertools.combinations(range(8), 2)
    }
    result = diversity(images, span=BYTES)
    assert result.value == pytest.approx(np.mean(list(pairs.values())))
    assert result.n_pairs == 28
    without = np.array([np.mean([v for p, v in pairs.items() if i not in p]) for i in range(8)])
    error = np.sqrt(7 / 8 * ((without - without.mean()) ** 2).sum())
    assert result.high - result.value == pytest.approx(
        2.364624 * error, rel=1e-5
    )  # t, 7 degrees of freedom
    assert diversity(np.repeat(images[:1], 4, axis=0), span=BYTES).value == pytest.approx(1)


def test_bad_images_are_refused() -> None:
    with pytest.raises(DataError, match=r"11 px.*10 x 10"):
        ms_ssim(draws(1, 10), draws(1, 10), span=BYTES)
    with pytest.raises(DataError, match=r"\(1, 1, 24, 24\).*\(2, 1, 24, 24\)"):
        ms_ssim(draws(1), draws(2), span=BYTES)
    with pytest.raises(DataError, match=r"3 images.*2"):
        diversity(draws(2), span=BYTES)

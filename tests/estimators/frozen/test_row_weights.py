import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from equipoise.estimators.frozen.row_weights import ROW_WEIGHTS, SampledImages, row_weights
from equipoise.training.batches import BATCH_SAMPLERS, Pool

CODES = np.repeat([0, 1, 2], [12, 6, 2])
SYNTHETIC = np.arange(20) % 5 == 0


def test_every_batch_sampler_has_weights() -> None:
    assert ROW_WEIGHTS.keys() == BATCH_SAMPLERS.keys()


@pytest.mark.parametrize("name", [*ROW_WEIGHTS])
def test_weights_are_the_shares_of_images_in_the_batches(name: str) -> None:
    n_steps = 2000
    pool = Pool(
        labels=CODES,
        batch_size=10,
        n_steps=n_steps,
        seed=0,
        synthetic=SYNTHETIC,
        synthetic_share=0.5 if name == "synthetic_mix" else None,
    )
    sampler = BATCH_SAMPLERS[name](pool)
    counts = np.bincount(np.concatenate([sampler(step) for step in range(n_steps)]), minlength=20)
    images = SampledImages(codes=CODES, synthetic=SYNTHETIC, synthetic_share=pool.synthetic_share)
    assert_allclose(row_weights(name, images, 1.0), counts / counts.mean(), rtol=0.12)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.sampled_from([*ROW_WEIGHTS]))
def test_the_mean_weight_is_1(more: list[int], name: str) -> None:
    codes = np.array([0, 1, 2, *more])
    images = SampledImages(
        codes=codes, synthetic=np.arange(len(codes)) % 2 == 1, synthetic_share=0.3
    )
    assert row_weights(name, images, 1.0).mean() == pytest.approx(1.0)


def test_synthetic_weights_shrink_synthetic_rows_alone() -> None:
    images = SampledImages(codes=CODES, synthetic=SYNTHETIC)
    weights = row_weights("natural", images, 0.5)
    assert weights.tolist() == np.where(SYNTHETIC, 0.5, 1.0).tolist()

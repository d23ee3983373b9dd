from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.arrays import Images, Labels, value_range
from equipoise.training.batches import BATCH_SAMPLERS, Pool, ResidentBatches, balanced, natural, resident, to_unit

CPU = torch.device("cpu")


def pool(labels: Labels, batch_size: int, seed: int = 0) -> Pool:
    return Pool(labels=labels, batch_size=batch_size, n_steps=12, seed=seed)


@settings(deadline=None, max_examples=30)
@given(n=st.integers(1, 30), batch_size=st.integers(1, 50), seed=st.integers(0, 9))
def test_natural_passes_show_every_image_once(n: int, batch_size: int, seed: int) -> None:
    rows = natural(pool(np.zeros(n, dtype=np.int64), batch_size, seed))
    n_steps = 3 * n // batch_size + 1
    drawn = np.concatenate([rows(step) for step in range(n_steps)])
    assert all(len(rows(step)) == batch_size for step in range(n_steps))
    for start, stop in pairwise(range(0, len(drawn) + 1, n)):
        assert sorted(drawn[start:stop]) == list(range(n))


@settings(deadline=None, max_examples=30)
@given(counts=st.lists(st.integers(1, 20), min_size=1, max_size=5), batch_size=st.integers(1, 40))
def test_balanced_batches_share_places_equally(counts: list[int], batch_size: int) -> None:
    labels = np.repeat(np.arange(len(counts)) * 3, counts).astype(np.int64)
    np.random.default_rng(0).shuffle(labels)
    drawn = labels[balanced(pool(labels, batch_size))(4)]
    places = [int((drawn == label).sum()) for label in np.unique(labels)]
    assert sum(places) == batch_size
    assert max(places) - min(places) <= 1


def test_balanced_batches_reach_every_image() -> None:
    labels = np.array([0] * 5 + [1] * 2, dtype=np.int64)
    rows = balanced(pool(labels, 6))
    assert set(np.concatenate([rows(step) for step in range(60)])) == set(range(7))


@pytest.mark.parametrize("name", BATCH_SAMPLERS)
def test_a_batch_is_a_function_of_seed_and_step(name: str) -> None:
    labels = np.repeat([0, 1], [30, 10]).astype(np.int64)
    make = BATCH_SAMPLERS[name]
    forward = [make(pool(labels, 8))(step) for step in range(12)]
    backward = make(pool(labels, 8))
    for step in reversed(range(12)):
        np.testing.assert_array_equal(backward(step), forward[step])
    assert not np.array_equal(forward[0], forward[1])
    assert not np.array_equal(forward[0], make(pool(labels, 8, 1))(0))
    assert forward[0].dtype == np.int64


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_batches_are_the_images_in_zero_to_one(dtype: type) -> None:
    images: Images = np.arange(6 * 4, dtype=dtype).reshape(6, 1, 2, 2) * 10
    labels = np.arange(6, dtype=np.int64)
    span = value_range(images)
    batches = ResidentBatches(images, labels, lambda step: np.array([step, 5]), span=span, device=CPU)
    unit, codes = batches(2)
    assert unit.dtype == torch.float32
    assert codes.tolist() == [2, 5]
    expected = (images[[2, 5]].astype(np.float64) - span[0]) / (span[1] - span[0])
    np.testing.assert_allclose(unit.numpy(), expected, rtol=1e-6)


def test_values_beyond_the_training_range_are_clamped() -> None:
    unit = to_unit(torch.tensor([-5.0, 10.0, 20.0, 99.0]), (10.0, 20.0))
    assert unit.tolist() == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_images_handed_in_are_never_written(dtype: type) -> None:
    images: Images = np.full((2, 1, 3, 3), 100, dtype=dtype)
    unit = to_unit(resident(images, CPU), (0.0, 200.0))
    unit.zero_()
    assert (images == 100).all()


def test_read_only_images_are_taken_without_a_warning() -> None:
    images = np.zeros((2, 1, 3, 3), dtype=np.uint8)
    images.flags.writeable = False
    assert resident(images, CPU).shape == (2, 1, 3, 3)

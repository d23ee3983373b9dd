import threading
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.arrays import Images, Labels, value_range
from equipoise.image_rows import by_reference
from equipoise.training.batches import (
    BATCH_SAMPLERS,
    Pool,
    ReadAhead,
    ResidentBatches,
    balanced,
    natural,
    progressive,
    resident,
    square_root,
    synthetic_mix,
    to_unit,
)

CPU = torch.device("cpu")


def pool(labels: Labels, batch_size: int, seed: int = 0, **more: Any) -> Pool:
    return Pool(**{"labels": labels, "batch_size": batch_size, "n_steps": 12, "seed": seed, **more})


@settings(deadline=None, max_examples=30)
@given(n=st.integers(1, 30), batch_size=st.integers(1, 50), seed=st.integers(0, 9))
def test_natural_passes_show_every_image_once(n: int, batch_size: int, seed: int) -> None:
    rows = natural(pool(np.zeros(n, dtype=np.int64), batch_size, seed))
    n_steps = 3 * n // batch_size + 1
    batch_rows = np.concatenate([rows(step) for step in range(n_steps)])
    assert all(len(rows(step)) == batch_size for step in range(n_steps))
    for start, stop in pairwise(range(0, len(batch_rows) + 1, n)):
        assert sorted(batch_rows[start:stop]) == list(range(n))


@settings(deadline=None, max_examples=30)
@given(counts=st.lists(st.integers(1, 20), min_size=1, max_size=5), batch_size=st.integers(1, 40))
def test_balanced_batches_share_places_equally(counts: list[int], batch_size: int) -> None:
    labels = np.repeat(np.arange(len(counts)) * 3, counts).astype(np.int64)
    np.random.default_rng(0).shuffle(labels)
    drawn = labels[balanced(pool(labels, batch_size))(4)]
    places = [int((drawn == label).sum()) for label in np.unique(labels)]
    assert sum(places) == batch_size
    assert max(places) - min(places) <= 1


def test_places_left_over_in_balanced_batches_go_to_classes_by_lot() -> None:
    labels = np.repeat([0, 1, 2], 20)
    rows = balanced(pool(labels, 4))
    counts = np.array([np.bincount(labels[rows(step)], minlength=3) for step in range(300)])
    assert counts.sum(axis=1).tolist() == [4] * 300
    twice = (counts == 2).sum(
        axis=0
    )  # one class of three has two places: 100 times each, 4 sd are 33
    assert (np.abs(twice - 100) < 33).all(), twice


def test_balanced_batches_reach_every_image() -> None:
    labels = np.array([0] * 5 + [1] * 2, dtype=np.int64)
    rows = balanced(pool(labels, 6))
    assert set(np.concatenate([rows(step) for step in range(60)])) == set(range(7))


@pytest.mark.parametrize("name", BATCH_SAMPLERS)
def test_a_batch_is_a_function_of_seed_and_step(name: str) -> None:
    labels = np.repeat([0, 1], [30, 10]).astype(np.int64)
    make, synthetic = BATCH_SAMPLERS[name], np.arange(40) % 5 == 0
    forward = [make(pool(labels, 8, synthetic=synthetic))(step) for step in range(12)]
    backward = make(pool(labels, 8, synthetic=synthetic))
    for step in reversed(range(12)):
        np.testing.assert_array_equal(backward(step), forward[step])
    assert not np.array_equal(forward[0], forward[1])
    assert not np.array_equal(forward[0], make(pool(labels, 8, 1, synthetic=synthetic))(0))
    assert forward[0].dtype == np.int64
    assert all(len(batch) == 8 for batch in forward)


def frequencies(sampler: Any, labels: Labels, steps: range) -> np.ndarray:
    """Count how often each class occurs in the batches of some steps."""
    return np.bincount(labels[np.concatenate([sampler(step) for step in steps])], minlength=3)


def assert_within_4_deviations(counts: np.ndarray, shares: np.ndarray) -> None:
    n = counts.sum()
    assert (np.abs(counts - n * shares) <= 4 * np.sqrt(n * shares * (1 - shares))).all(), (
        counts / n,
        shares,
    )


SIZES = np.array([100, 25, 4])
LABELS = np.repeat([0, 1, 2], SIZES).astype(np.int64)


def test_square_root_draws_classes_by_the_root_of_their_size() -> None:
    seen = frequencies(square_root(pool(LABELS, 100)), LABELS, range(100))
    assert_within_4_deviations(seen, np.array([10, 5, 2]) / 17)


@pytest.mark.parametrize("done", [0.0, 0.25, 0.75, 0.99])
def test_progressive_goes_from_the_sizes_to_all_alike(done: float) -> None:
    sampler = progressive(pool(LABELS, 10_000, n_steps=100))
    seen = frequencies(sampler, LABELS, range(round(100 * done), round(100 * done) + 1))
    assert_within_4_deviations(seen, (1 - done) * SIZES / 129 + done / 3)


@pytest.mark.parametrize("sampler", [square_root, progressive, balanced])
def test_within_a_class_every_image_is_as_likely(sampler: Any) -> None:
    labels = np.array([7, 3, 7, 3, 7, 7], dtype=np.int64)
    drawn = np.concatenate([sampler(pool(labels, 50))(step) for step in range(12)])
    for label in (3, 7):
        seen = np.bincount(drawn[labels[drawn] == label])[np.flatnonzero(labels == label)]
        assert_within_4_deviations(seen, np.full(len(seen), 1 / len(seen)))


@settings(deadline=None, max_examples=40)
@given(
    n_real=st.integers(1, 20), n_synthetic=st.integers(1, 20), batch_size=st.integers(2, 30),
    share=st.none() | st.floats(0.01, 0.99),
)  # fmt: skip
def test_every_batch_has_as_many_synthetic_rows(
    n_real: int, n_synthetic: int, batch_size: int, share: float | None
) -> None:
    synthetic = np.random.default_rng(0).permutation(np.arange(n_real + n_synthetic) < n_synthetic)
    chosen = pool(
        synthetic.astype(np.int64), batch_size, synthetic=synthetic, synthetic_share=share
    )
    rows = synthetic_mix(chosen)
    r = n_synthetic / (n_real + n_synthetic) if share is None else share
    expected = min(max(round(r * batch_size), 1), batch_size - 1)
    batches = [rows(step) for step in range(2 * (n_real + n_synthetic))]
    assert {int(synthetic[batch].sum()) for batch in batches} == {expected}
    for kind in (synthetic, ~synthetic):  # passes: each row once before any comes twice
        walk = np.concatenate([batch[kind[batch]] for batch in batches])[: kind.sum()]
        assert sorted(walk) == np.flatnonzero(kind).tolist()


@pytest.mark.parametrize("synthetic", [None, np.zeros(9, dtype=bool), np.ones(9, dtype=bool)])
def test_without_two_kinds_of_images_the_mix_is_natural(synthetic: Any) -> None:
    chosen = pool(np.arange(9), 4, synthetic=synthetic)
    for step in range(5):
        np.testing.assert_array_equal(synthetic_mix(chosen)(step), natural(chosen)(step))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_batches_are_the_images_in_zero_to_one(dtype: type) -> None:
    images: Images = np.arange(6 * 4, dtype=dtype).reshape(6, 1, 2, 2) * 10
    labels = np.arange(6, dtype=np.int64)
    span = value_range(images)
    batches = ResidentBatches(
        images, labels, lambda step: np.array([step, 5]), span=span, device=CPU
    )
    unit, codes = batches(2)
    assert unit.dtype == torch.float32
    assert codes.tolist() == [2, 5]
    expected = (images[[2, 5]].astype(np.float64) - span[0]) / (span[1] - span[0])
    np.testing.assert_allclose(unit.numpy(), expected, rtol=1e-6)


@settings(deadline=None, max_examples=30)
@given(steps=st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_reading_ahead_changes_no_batch(steps: list[int]) -> None:
    """Whatever steps are requested; the batches of a GPU are read so, beside its steps."""
    images = np.random.default_rng(0).integers(0, 256, (9, 1, 2, 2), dtype=np.uint8)
    rows = by_reference(images).selected(np.arange(9)[::-1])
    batches = ResidentBatches(
        rows, np.arange(9), natural(pool(np.arange(9), 4)), span=(0.0, 255.0), device=CPU
    )
    expected = [batches(step) for step in steps]
    assert not isinstance(batches.read, ReadAhead)
    batches.read = ReadAhead(batches.read)
    for step, (unit, codes) in zip(steps, expected, strict=True):
        assert all(map(torch.equal, batches(step), (unit, codes)))


def test_the_next_batch_is_read_during_a_step_and_each_once() -> None:
    computed: list[int] = []
    begun = threading.Event()

    def compute(step: int) -> int:
        computed.append(step)
        if step == 4:
            raise ValueError("There is no such step.")
        if step == 1:
            begun.set()
        return step

    ahead = ReadAhead(compute)
    assert ahead(0) == 0
    assert begun.wait(timeout=60)  # nobody has requested it
    assert [ahead(step) for step in (1, 2, 3)] == [1, 2, 3]
    with pytest.raises(ValueError, match="no such step"):
        ahead(4)
    assert computed == [0, 1, 2, 3, 4]


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

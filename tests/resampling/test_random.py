"""Random over- and undersampling and replay: originals first, counts met, nothing but copies."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from equipoise.data.dataset import ImageDataset
from equipoise.exceptions import DataError, SettingError
from equipoise.resampling.random import RandomOversampler, RandomUndersampler, ReplayOversampler
from equipoise.resampling.smote import SMOTEOversampler

BOTH = pytest.mark.parametrize("kind", [RandomOversampler, RandomUndersampler])


def numbered(
    counts: dict[int, int], dtype: Any = np.uint16
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return images whose pixels equal their row number, with classes in mixed order."""
    labels = np.random.default_rng(0).permutation(np.repeat(list(counts), list(counts.values())))
    images = np.broadcast_to(
        np.arange(len(labels), dtype=dtype)[:, None, None, None], (len(labels), 1, 2, 3)
    )
    return images.copy(), labels.astype(np.int64)


ALL = pytest.mark.parametrize("kind", [RandomOversampler, RandomUndersampler, ReplayOversampler])
class_counts = st.dictionaries(st.integers(-3, 9), st.integers(1, 30), min_size=2, max_size=5)


@settings(deadline=None, max_examples=40)
@given(counts=class_counts, seed=st.integers(0, 9))
def test_oversampling_repeats_until_classes_are_equal(counts: dict[int, int], seed: int) -> None:
    X, y = numbered(counts)
    resampler = RandomOversampler(random_state=seed)
    images, labels = resampler.fit_resample(X, y)
    assert Counter(labels.tolist()) == dict.fromkeys(counts, max(counts.values()))
    np.testing.assert_array_equal(resampler.sample_indices_[: len(y)], np.arange(len(y)))
    np.testing.assert_array_equal(images[:, 0, 0, 0], resampler.sample_indices_)
    np.testing.assert_array_equal(labels, y[resampler.sample_indices_])
    assert images.dtype == X.dtype


@settings(deadline=None, max_examples=40)
@given(counts=class_counts, seed=st.integers(0, 9))
def test_undersampling_omits_until_classes_are_equal(counts: dict[int, int], seed: int) -> None:
    X, y = numbered(counts)
    resampler = RandomUndersampler(random_state=seed)
    images, labels = resampler.fit_resample(X, y)
    assert Counter(labels.tolist()) == dict.fromkeys(counts, min(counts.values()))
    assert (np.diff(resampler.sample_indices_) > 0).all()  # no image twice, order kept
    np.testing.assert_array_equal(images[:, 0, 0, 0], resampler.sample_indices_)
    np.testing.assert_array_equal(labels, y[resampler.sample_indices_])


@settings(deadline=None, max_examples=40)
@given(counts=class_counts, seed=st.integers(0, 9))
def test_replay_copies_each_image_once_before_any_twice(counts: dict[int, int], seed: int) -> None:
    X, y = numbered(counts)
    replay = ReplayOversampler(random_state=seed)
    images, labels = replay.fit_resample(X, y)
    assert Counter(labels.tolist()) == dict.fromkeys(counts, max(counts.values()))
    np.testing.assert_array_equal(images[: len(y)], X)
    np.testing.assert_array_equal(images[len(y) :, 0, 0, 0], replay.copied_indices_)
    np.testing.assert_array_equal(labels[len(y) :], y[replay.copied_indices_])
    times_copied = np.bincount(replay.copied_indices_, minlength=len(y))
    for label, n in counts.items():
        of_class = times_copied[y == label]
        assert of_class.max() - of_class.min() <= 1
        assert of_class.sum() == max(counts.values()) - n


def test_a_smaller_replay_is_the_beginning_of_a_larger_one() -> None:
    X, y = numbered({0: 9, 1: 4})
    copies = {}
    for n in (13, 20):
        replay = ReplayOversampler(sampling_strategy={0: n, 1: n}, random_state=3)
        replay.fit_resample(X, y)
        copies[n] = [row for row in replay.copied_indices_.tolist() if y[row] == 1]
    assert copies[20][:9] == copies[13]
    assert len(copies[20]) == 16


def test_copies_of_a_replay_are_marked_as_a_generators_images_are(toy: ImageDataset) -> None:
    replayed, smote = toy.resample(ReplayOversampler()), toy.resample(SMOTEOversampler())
    for name in ("labels", "groups", "ids", "synthetic"):
        np.testing.assert_array_equal(getattr(replayed, name), getattr(smote, name))
    assert replayed.synthetic.sum() == replayed.counts.max() * len(toy.counts) - len(toy)


@pytest.mark.parametrize(
    ("resampler", "expected"),
    [
        (RandomOversampler(sampling_strategy=0.5), {0: 20, 1: 10}),
        (RandomOversampler(sampling_strategy={1: 7}), {0: 20, 1: 7}),
        (RandomOversampler(sampling_strategy={1: 4}), {0: 20, 1: 4}),
        (RandomUndersampler(sampling_strategy=0.5), {0: 8, 1: 4}),
        (RandomUndersampler(sampling_strategy={0: 11}), {0: 11, 1: 4}),
    ],
)
def test_strategies(resampler: Any, expected: dict[int, int]) -> None:
    assert Counter(resampler.fit_resample(*numbered({0: 20, 1: 4}))[1].tolist()) == expected


@BOTH
def test_same_seed_same_rows_other_seed_others(kind: Any) -> None:
    X, y = numbered({0: 30, 1: 10})
    first, again, other = (kind(random_state=seed) for seed in (0, 0, 1))
    for resampler in (first, again, other):
        resampler.fit_resample(X, y)
    np.testing.assert_array_equal(first.sample_indices_, again.sample_indices_)
    assert not np.array_equal(first.sample_indices_, other.sample_indices_)


@ALL
def test_the_global_generator_is_left_alone(kind: Any) -> None:
    np.random.seed(5)  # noqa: NPY002 (it must not be used)
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    kind().fit_resample(*numbered({0: 30, 1: 10}))
    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002


@BOTH
def test_validation_images_change_nothing_and_input_is_not_written(kind: Any) -> None:
    X, y = numbered({0: 9, 1: 3})
    X.flags.writeable = y.flags.writeable = False
    without, with_them = kind(), kind()
    without.fit_resample(X, y)
    with_them.fit_resample(X, y, validation=(X[:2], y[:2]))
    np.testing.assert_array_equal(without.sample_indices_, with_them.sample_indices_)


@ALL
@pytest.mark.parametrize(
    ("strategy", "labels", "error", "pattern"),
    [
        ("auto", [0, 0, 0], DataError, "at least 2 classes .*got 1"),
        ("auto", [0, 1], DataError, r"Expected labels of shape \(3,\)"),
        ("most", [0, 0, 1], SettingError, "sampling_strategy='most' does not fit"),
        ({5: 3}, [0, 0, 1], SettingError, "does not fit"),
        (0.5, [0, 1, 2], SettingError, "does not fit"),
    ],
)
def test_bad_input_is_named(
    kind: Any, strategy: Any, labels: list[int], error: Any, pattern: str
) -> None:
    X = np.zeros((3, 1, 2, 2), dtype=np.uint8)
    with pytest.raises(error, match=pattern):
        kind(sampling_strategy=strategy).fit_resample(X, np.array(labels))


def test_settings_are_scikit_learn_parameters() -> None:
    assert RandomOversampler(random_state=3).get_params() == {
        "sampling_strategy": "auto",
        "random_state": 3,
    }

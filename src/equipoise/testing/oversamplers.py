"""The contract of every resampler that adds images: functions that raise AssertionError.

One parametrized test runs them all on an oversampler of your own:

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(MyOversampler(n_steps=4), tmp_path)
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from equipoise.arrays import Images, Labels
from equipoise.exceptions import DataError
from equipoise.marked_images import synthetic_of
from equipoise.resampling.base import Oversampler, Resampler
from equipoise.testing.probes import (
    check_not_fitted,
    eager_checkpoints,
    killing,
    random_states,
    refusal,
)
from equipoise.training.collapse import unchecked_diversity
from equipoise.training.progress import listening

SIDE = 8
COUNTS = (20, 10, 14)
RARE = 1


def toy_images(
    counts: tuple[int, ...] = COUNTS,
    *,
    dtype: str = "uint8",
    channels: int = 1,
    seed: int = 0,
    spacing: float = 0.05,
) -> tuple[Images, Labels]:
    """Draw noise whose brightness depends on the class.

    Args:
        counts: Images of each class.
        dtype: "uint8", "uint16" (12 bits used) or "float32" (in [0, 1]).
        channels: 1 or 3.
        seed: Seed of the noise.
        spacing: Step in brightness from class to class, of a range of 1. At 0.05 every class has
            neighbors of other classes, which ADASYN and Borderline-SMOTE need.

    Returns:
        Images (n, c, 8, 8) and labels (n,) int64, class by class.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    unit = (
        rng.normal(0.4, 0.15, size=(len(labels), channels, SIDE, SIDE))
        + spacing * labels[:, None, None, None]
    )
    scale = {"uint8": 255, "uint16": 4095, "int16": 2000, "float32": 1}[dtype]
    images: Images = (np.clip(unit, 0, 1) * scale).astype(dtype)
    return images, labels


def check_originals_first(resampler: Resampler, folder: Path) -> None:
    """The originals come first, bit for bit and in order, and the input is not modified.

    What is synthetic carries a mask.
    """
    images, labels = toy_images()
    before = images.copy(), labels.copy()
    resampler = clone(resampler)
    new_images, new_labels = resampler.fit_resample(images, labels)
    synthetic = synthetic_of(new_images)
    if hasattr(resampler, "sample_indices_"):
        assert synthetic is None
    else:
        assert synthetic is not None
        np.testing.assert_array_equal(synthetic, np.arange(len(new_images)) >= len(images))
    for array, old, new in ((images, before[0], new_images), (labels, before[1], new_labels)):
        np.testing.assert_array_equal(array, old)
        np.testing.assert_array_equal(new[: len(old)], old)


def check_read_only_input(resampler: Resampler, folder: Path) -> None:
    """Read-only arrays, such as memory maps, are accepted."""
    images, labels = toy_images()
    images.flags.writeable = labels.flags.writeable = False
    assert len(_resample(resampler, images, labels)[0]) == len(COUNTS) * max(COUNTS)


def check_counts(resampler: Resampler, folder: Path) -> None:
    """Every class grows to the size of the largest, also where labels are not 0..k-1."""
    images, labels = toy_images()
    values = np.array([-7, 3, 40])
    new_images, new_labels = _resample(resampler, images, values[labels])
    assert len(new_images) == len(new_labels)
    assert Counter(new_labels.tolist()) == dict.fromkeys(values.tolist(), max(COUNTS))


def check_requested_counts(resampler: Resampler, folder: Path) -> None:
    """A mapping as `sampling_strategy` sets the total number of images of a class."""
    images, labels = toy_images()
    to_17 = clone(resampler).set_params(sampling_strategy={RARE: 17})
    new_labels = to_17.fit_resample(images, labels)[1]
    assert Counter(new_labels.tolist()) == {0: COUNTS[0], RARE: 17, 2: COUNTS[2]}


def check_text_labels(resampler: Resampler, folder: Path) -> None:
    """Labels may be text, and come back as they were given."""
    images, labels = toy_images()
    names = np.array(["benign", "malignant", "normal"])
    new_labels = _resample(resampler, images, names[labels])[1]
    assert new_labels.dtype == names.dtype
    assert Counter(new_labels.tolist()) == dict.fromkeys(names.tolist(), max(COUNTS))


def check_balanced_input(resampler: Resampler, folder: Path) -> None:
    """Balanced images are returned unchanged."""
    images, labels = toy_images((9, 9))
    np.testing.assert_array_equal(_resample(resampler, images, labels)[0], images)


def check_kind(resampler: Resampler, folder: Path) -> None:
    """New images have the storage type, shape and value range of the training images."""
    for dtype, channels in (("uint8", 3), ("uint16", 1), ("int16", 2), ("float32", 1)):
        images, labels = toy_images(dtype=dtype, channels=channels)
        new, new_labels = _resample(resampler, images, labels)
        assert new.dtype == images.dtype
        assert new.shape[1:] == images.shape[1:]
        assert new_labels.dtype == labels.dtype
        if dtype != "uint8":
            assert images.min() <= new.min() <= new.max() <= images.max()


def check_seed(resampler: Resampler, folder: Path) -> None:
    """The same random state gives the same images, another one does not.

    A `RandomState` advances with every fit, and `seed_` is the number that repeats one of them.
    """
    images, labels = toy_images()
    with unchecked_diversity():  # of a tiny generator, which another seed may collapse
        _check_seed(resampler, images, labels)


def _check_seed(resampler: Resampler, images: Images, labels: Labels) -> None:
    """See `check_seed`."""
    advancing = clone(resampler).set_params(random_state=np.random.RandomState(0))
    first = advancing.fit_resample(images, labels)[0]
    seed = advancing.seed_
    second = advancing.fit_resample(images, labels)[0]
    again = clone(resampler).set_params(random_state=seed).fit_resample(images, labels)[0]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)


def check_global_randomness(resampler: Resampler, folder: Path) -> None:
    """The global random states of torch, NumPy and Python are left alone."""
    images, labels = toy_images()
    before = random_states()
    _resample(resampler, images, labels)
    assert random_states() == before


def check_validation_is_not_learned_from(resampler: Resampler, folder: Path) -> None:
    """The result is bit-identical with and without validation images."""
    images, labels = toy_images()
    without = _resample(resampler, images, labels)[0]
    validation = toy_images((4, 4, 4), seed=9)
    with_validation = clone(resampler).fit_resample(images, labels, validation=validation)[0]
    np.testing.assert_array_equal(without, with_validation)


def check_bad_input(resampler: Resampler, folder: Path) -> None:
    """Every kind of bad input is refused with a specific message."""
    images, labels = toy_images()
    with_nan = images.astype(np.float32)
    with_nan[3, 0, 2, 2] = np.nan
    bad: list[tuple[Any, Any]] = [
        (images.tolist()[0], labels),
        (images[:, 0], labels),
        (np.repeat(images, 5, axis=1), labels),
        (images.astype(str), labels),
        (with_nan, labels),
        (images[:0], labels[:0]),
        (images, labels[:-1]),
        (images, labels + 0.5),
        (images, np.zeros_like(labels)),
    ]
    messages = [_refusal(resampler, *case) for case in bad]
    for strategy in ("autto", {RARE: 3}):
        changed = clone(resampler).set_params(sampling_strategy=strategy)
        messages.append(_refusal(changed, images, labels))
    assert len(set(messages)) == len(messages), messages


def check_too_few_images(oversampler: Oversampler, folder: Path) -> None:
    """A class that needs images and has fewer than `minimum` is refused by name and number."""
    if oversampler.minimum > 1:
        images, labels = toy_images((20, oversampler.minimum - 1))
        message = _refusal(oversampler, images, labels)
        assert "Class 1" in message
        assert f" {oversampler.minimum - 1} " in message
        assert f" {oversampler.minimum}" in message


def check_unfitted(oversampler: Oversampler, folder: Path) -> None:
    """Nothing can be generated or saved before `fit`."""
    check_not_fitted(
        lambda: oversampler.generate(np.array([0])),
        lambda: oversampler.save(folder / "model"),
    )


def check_generate(oversampler: Oversampler, folder: Path) -> None:
    """Labels may have any order and number; unknown ones are refused; images depend on the seed."""
    images, labels = toy_images()
    fitted = clone(oversampler).fit(images, labels)
    requested = np.array([RARE, 2, RARE, RARE])
    generated = fitted.generate(requested, random_state=5)
    assert generated.shape == (4, *images.shape[1:])
    np.testing.assert_array_equal(generated, fitted.generate(requested, random_state=5))
    assert not np.array_equal(generated, fitted.generate(requested, random_state=6))
    assert fitted.generate(requested[:0]).shape == (0, *images.shape[1:])
    assert "99" in refusal(lambda: fitted.generate(np.array([99])), DataError)


def check_saved(oversampler: Oversampler, folder: Path) -> None:
    """A saved and loaded oversampler generates the same images and keeps its settings."""
    images, labels = toy_images()
    names = np.array(["benign", "malignant", "normal"])
    strategy = {names[RARE]: 15}
    fitted = clone(oversampler).set_params(sampling_strategy=strategy).fit(images, names[labels])
    fitted.save(folder / "model")
    loaded = type(oversampler).load(folder / "model")
    requested = np.full(5, names[RARE])
    expected = fitted.generate(requested, random_state=3)
    np.testing.assert_array_equal(loaded.generate(requested, random_state=3), expected)
    assert clone(loaded).get_params()["sampling_strategy"] == strategy
    assert loaded.sampling_strategy_ == fitted.sampling_strategy_


def check_killed_and_continued(oversampler: Oversampler, folder: Path) -> None:
    """A fit that is killed at any step and restarted yields the same images, bit for bit."""
    images, labels = toy_images()
    steps: list[int] = []
    with listening(lambda _name, step, _n_steps: steps.append(step)):
        expected = _resample(oversampler, images, labels)[0]
    n_steps = len(steps)
    for moment in sorted({2, n_steps // 2, n_steps} & set(range(2, n_steps + 1))):
        workspace = folder / f"killed-{moment}"
        with eager_checkpoints(), killing(moment):
            clone(oversampler).fit(images, labels, workspace=workspace)
        steps.clear()
        with listening(lambda _name, step, _n_steps: steps.append(step)):
            continued = clone(oversampler).fit_resample(images, labels, workspace=workspace)[0]
        np.testing.assert_array_equal(continued, expected)
        assert len(steps) == n_steps - moment + 1, "The fit started over instead of resuming."


RESAMPLER_CHECKS: tuple[Callable[[Resampler, Path], None], ...] = (
    check_originals_first,
    check_read_only_input,
    check_counts,
    check_requested_counts,
    check_text_labels,
    check_balanced_input,
    check_kind,
    check_seed,
    check_global_randomness,
    check_validation_is_not_learned_from,
    check_bad_input,
)
CHECKS: tuple[Callable[[Any, Path], None], ...] = (
    *RESAMPLER_CHECKS,
    check_too_few_images,
    check_unfitted,
    check_generate,
    check_saved,
    check_killed_and_continued,
)


def _resample(resampler: Resampler, images: Images, labels: Labels) -> tuple[Images, Labels]:
    return clone(resampler).fit_resample(images, labels)  # type: ignore[no-any-return]  # clone is untyped


def _refusal(resampler: Resampler, images: Any, labels: Any) -> str:
    kind = f"{type(images).__name__}, {np.shape(images)}"
    return refusal(lambda: clone(resampler).fit_resample(images, labels), otherwise=kind)

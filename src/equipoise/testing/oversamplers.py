"""What every resampler that adds images must obey, as functions that raise AssertionError.

Write one test for your own oversampler and get all of them:

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(MyOversampler(n_steps=4), tmp_path)
"""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from equipoise.arrays import Images, Labels
from equipoise.exceptions import DataError, SettingError
from equipoise.resampling.base import Oversampler, Resampler
from equipoise.testing.killing import eager_checkpoints, killing
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
    """Draw noise whose brightness tells the class, (n, c, 8, 8), in any storage type.

    `spacing` is the step in brightness from class to class, of a range of 1. At 0.05 every class has neighbors of
    others, which ADASYN and Borderline-SMOTE need.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    unit = (
        rng.normal(0.4, 0.15, size=(len(labels), channels, SIDE, SIDE))
        + spacing * labels[:, None, None, None]
    )
    scale = {"uint8": 255, "uint16": 4095, "float32": 1}[dtype]
    images: Images = (np.clip(unit, 0, 1) * scale).astype(dtype)
    return images, labels


def check_originals_first(resampler: Resampler, folder: Path) -> None:
    """Originals come back first, bit for bit and in order, and are not written to."""
    images, labels = toy_images()
    before = images.copy(), labels.copy()
    new_images, new_labels = _resample(resampler, images, labels)
    for array, old, new in ((images, before[0], new_images), (labels, before[1], new_labels)):
        np.testing.assert_array_equal(array, old)
        np.testing.assert_array_equal(new[: len(old)], old)


def check_read_only_input(resampler: Resampler, folder: Path) -> None:
    """Arrays that cannot be written, such as memory maps, will do."""
    images, labels = toy_images()
    images.flags.writeable = labels.flags.writeable = False
    assert len(_resample(resampler, images, labels)[0]) == len(COUNTS) * max(COUNTS)


def check_counts(resampler: Resampler, folder: Path) -> None:
    """Every class grows to the largest, also where labels are not 0..k-1."""
    images, labels = toy_images()
    names = np.array([-7, 3, 40])
    new_images, new_labels = _resample(resampler, images, names[labels])
    assert len(new_images) == len(new_labels)
    assert Counter(new_labels.tolist()) == dict.fromkeys(names.tolist(), max(COUNTS))


def check_requested_counts(resampler: Resampler, folder: Path) -> None:
    """A mapping asks for a number of images of each class in all."""
    images, labels = toy_images()
    asked = clone(resampler).set_params(sampling_strategy={RARE: 17})
    new_labels = asked.fit_resample(images, labels)[1]
    assert Counter(new_labels.tolist()) == {0: COUNTS[0], RARE: 17, 2: COUNTS[2]}


def check_balanced_input(resampler: Resampler, folder: Path) -> None:
    """Balanced images come back as they are."""
    images, labels = toy_images((9, 9))
    np.testing.assert_array_equal(_resample(resampler, images, labels)[0], images)


def check_kind(resampler: Resampler, folder: Path) -> None:
    """Storage type, shape and value range of the training images are kept, for 1 and 3 channels."""
    for dtype, channels in (("uint8", 3), ("uint16", 1), ("float32", 1)):
        images, labels = toy_images(dtype=dtype, channels=channels)
        new, new_labels = _resample(resampler, images, labels)
        assert (new.dtype, new.shape[1:], new_labels.dtype) == (
            images.dtype,
            images.shape[1:],
            labels.dtype,
        )
        if dtype != "uint8":
            assert images.min() <= new.min() <= new.max() <= images.max()


def check_seed(resampler: Resampler, folder: Path) -> None:
    """The same seed gives the same images, another seed does not."""
    images, labels = toy_images()
    first, second = (_resample(resampler, images, labels)[0] for _ in range(2))
    other = clone(resampler).set_params(seed=1).fit_resample(images, labels)[0]
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def check_global_chance(resampler: Resampler, folder: Path) -> None:
    """The random states of torch, NumPy and Python are as before."""
    images, labels = toy_images()
    before = _chance()
    _resample(resampler, images, labels)
    assert _chance() == before


def check_validation_is_only_watched(resampler: Resampler, folder: Path) -> None:
    """The result is bit-equal with and without validation images."""
    images, labels = toy_images()
    without = _resample(resampler, images, labels)[0]
    watched = clone(resampler).fit_resample(
        images, labels, validation=toy_images((4, 4, 4), seed=9)
    )[0]
    np.testing.assert_array_equal(without, watched)


def check_bad_input(resampler: Resampler, folder: Path) -> None:
    """Each bad input has a message of its own."""
    images, labels = toy_images()
    holes = images.astype(np.float32)
    holes[3, 0, 2, 2] = np.nan
    bad: list[tuple[Any, Any]] = [
        (images.tolist(), labels),
        (images[:, 0], labels),
        (np.repeat(images, 4, axis=1), labels),
        (images.astype(np.float64), labels),
        (holes, labels),
        (images[:0], labels[:0]),
        (images, labels[:-1]),
        (images, labels.astype(float)),
        (images, np.zeros_like(labels)),
    ]
    messages = [_refusal(resampler, *case) for case in bad]
    messages.append(
        _refusal(clone(resampler).set_params(sampling_strategy="autto"), images, labels)
    )
    messages.append(
        _refusal(clone(resampler).set_params(sampling_strategy={RARE: 3}), images, labels)
    )
    assert len(set(messages)) == len(messages), messages


def check_too_few_images(oversampler: Oversampler, folder: Path) -> None:
    """A class that has to grow and has fewer than `minimum` images is refused by name."""
    if oversampler.minimum > 1:
        images, labels = toy_images((20, oversampler.minimum - 1))
        message = _refusal(oversampler, images, labels)
        assert message.startswith(f"Class 1 has {oversampler.minimum - 1} training image")
        assert f"needs at least {oversampler.minimum}" in message


def check_unfitted(oversampler: Oversampler, folder: Path) -> None:
    """Nothing can be generated or saved before `fit`."""
    for ask in (
        lambda: oversampler.generate(np.array([0])),
        lambda: oversampler.save(folder / "model"),
    ):
        try:
            ask()
        except NotFittedError as error:
            assert "fit" in str(error)  # noqa: PT017 (no pytest here: third parties may use another runner)
        else:
            raise AssertionError("Expected NotFittedError before fit.")


def check_generate(oversampler: Oversampler, folder: Path) -> None:
    """Labels may come in any order and number; equal seeds give equal images; unknown labels are refused."""
    images, labels = toy_images()
    fitted = clone(oversampler).fit(images, labels)
    asked = np.array([RARE, 2, RARE, RARE])
    one = fitted.generate(asked, seed=5)
    assert one.shape == (4, *images.shape[1:])
    np.testing.assert_array_equal(one, fitted.generate(asked, seed=5))
    assert not np.array_equal(one, fitted.generate(asked, seed=6))
    assert fitted.generate(asked[:0]).shape == (0, *images.shape[1:])
    try:
        fitted.generate(np.array([99]))
    except DataError as error:
        assert "99" in str(error)  # noqa: PT017 (see above)
    else:
        raise AssertionError("Expected DataError for a label that was not fitted.")


def check_saved(oversampler: Oversampler, folder: Path) -> None:
    """A saved and loaded oversampler generates the same images and keeps its settings."""
    images, labels = toy_images()
    strategy = {RARE: 15}
    fitted = (
        clone(oversampler)
        .set_params(sampling_strategy=strategy)
        .fit(images, np.array([0, RARE, 2])[labels])
    )
    fitted.save(folder / "model")
    loaded = type(oversampler).load(folder / "model")
    asked = np.full(5, RARE)
    np.testing.assert_array_equal(loaded.generate(asked, seed=3), fitted.generate(asked, seed=3))
    assert clone(loaded).get_params()["sampling_strategy"] == strategy
    assert loaded.wanted_ == fitted.wanted_


def check_killed_and_continued(oversampler: Oversampler, folder: Path) -> None:
    """A fit that is killed at any step and started again ends in the same images, bit for bit."""
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
        assert len(steps) == n_steps - moment + 1, "The fit started anew instead of going on."


RESAMPLER_CHECKS: tuple[Callable[[Resampler, Path], None], ...] = (
    check_originals_first,
    check_read_only_input,
    check_counts,
    check_requested_counts,
    check_balanced_input,
    check_kind,
    check_seed,
    check_global_chance,
    check_validation_is_only_watched,
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
    """Return the message with which bad input is refused."""
    try:
        clone(resampler).fit_resample(images, labels)
    except (DataError, SettingError) as error:
        return str(error)
    raise AssertionError(
        f"Expected DataError or SettingError for {type(images).__name__}, {np.shape(images)}."
    )


def _chance() -> tuple[object, ...]:
    numpy_state = np.random.get_state()  # noqa: NPY002 (the global state is what is looked at)
    return random.getstate(), str(numpy_state), torch.get_rng_state().numpy().tobytes()

"""Behavior that every oversampler inherits from the base class."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.arrays import Images, LabeledImages, Labels
from equipoise.exceptions import DataError, SettingError
from equipoise.image_rows import ImageSource
from equipoise.resampling.base import Oversampler
from equipoise.resampling.strategy import wanted
from equipoise.testing.oversamplers import CHECKS, toy_images


class MeanImages(Oversampler):
    """Adds the mean image of a class, plus noise: the smallest oversampler there is."""

    minimum = 2

    def _fit(
        self,
        X: ImageSource,
        codes: Labels,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> None:
        self.held_ = validation
        self.means_ = np.stack(
            [X[codes == code].mean(axis=0) for code in range(len(self.classes_))]
        )
        self.limits_ = float(X.min()), float(X.max())

    def _generate(self, codes: Labels, seed: int) -> Images:
        noise = (
            np.random.default_rng(seed).normal(0, 0.1, (len(codes), *self.shape_)) * self.limits_[1]
        )
        return np.clip(self.means_[codes] + noise, *self.limits_).astype(self.dtype_)

    def _state(self) -> tuple[Mapping[str, torch.Tensor], Mapping[str, Any]]:
        return {"means": torch.as_tensor(self.means_)}, {"limits": self.limits_}

    def _set_state(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        self.means_, self.limits_ = tensors["means"].numpy(), tuple(facts["limits"])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_four_hooks_make_an_oversampler(check: Any, tmp_path: Path) -> None:
    check(MeanImages(), tmp_path)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("auto", {3: 10, 9: 8}),
        ("minority", {3: 10}),
        ({9: 13}, {9: 1}),
        ({3: 10, 9: 12}, {}),
    ],
)
def test_wanted(strategy: Any, expected: dict[int, int]) -> None:
    labels = np.repeat([1, 3, 9], [20, 10, 12])
    assert wanted(strategy, labels) == {label: n for label, n in expected.items() if n}


def test_wanted_of_a_float_is_a_ratio_of_two_classes() -> None:
    assert wanted(0.5, np.repeat([0, 1], [20, 4])) == {1: 6}


@pytest.mark.parametrize("strategy", ["autto", 0.1, {1: 2}, {7: 30}])
def test_strategies_that_do_not_fit_the_labels_are_refused(strategy: Any) -> None:
    with pytest.raises(SettingError, match="not fit the labels"):
        wanted(strategy, np.repeat([0, 1], [20, 4]))


def test_only_classes_that_grow_need_enough_images() -> None:
    images, labels = toy_images((20, 10, 1))
    assert len(MeanImages(sampling_strategy={1: 12}).fit_resample(images, labels)[0]) == 33
    with pytest.raises(DataError, match=r"Class 2 has 1 .*MeanImages.* 2"):
        MeanImages().fit_resample(images, labels)


def test_validation_images_of_unknown_classes_are_left_out() -> None:
    images, labels = toy_images((9, 5))
    held = toy_images((3, 3, 3), seed=4)
    fitted = MeanImages().fit(images, labels, validation=held)
    assert fitted.held_ is not None
    assert fitted.held_[1].tolist() == [0, 0, 0, 1, 1, 1]


def test_validation_images_of_another_kind_are_refused() -> None:
    images, labels = toy_images()
    with pytest.raises(DataError, match="validation images like"):
        MeanImages().fit(images, labels, validation=toy_images(dtype="float32"))


def test_a_folder_of_something_else_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected a saved MeanImages"):
        MeanImages.load(tmp_path)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(2, 30), min_size=2, max_size=5), st.integers(0, 3))
def test_any_counts_end_balanced_with_the_originals_in_front(counts: list[int], seed: int) -> None:
    images, labels = toy_images(tuple(counts))
    new_images, new_labels = MeanImages(random_state=seed).fit_resample(images, labels)
    assert set(np.bincount(new_labels).tolist()) == {max(counts)}
    np.testing.assert_array_equal(new_images[: len(images)], images)


# --- how many images balance the papers' training sets -------------------------------------------


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((1727, 294), {1: 1433}),  # paper S0
        ((4385, 1460), {1: 2925}),  # paper S2
    ],
)
def test_golden_numbers_to_parity(counts: tuple[int, ...], expected: dict[int, int]) -> None:
    assert wanted("auto", np.repeat(np.arange(len(counts)), counts)) == expected


@settings(deadline=None)
@given(st.lists(st.integers(1, 200), min_size=2, max_size=6))
def test_every_class_wants_what_it_lacks_of_the_largest(counts: list[int]) -> None:
    lacking = {label: max(counts) - n for label, n in enumerate(counts)}
    found = wanted("auto", np.repeat(np.arange(len(counts)), counts))
    assert found == {label: n for label, n in lacking.items() if n}

"""DiffusionOversampler beyond the contracts: settings, cache, stop, record, sampling."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

from equipoise.arrays import Images, Labels
from equipoise.exceptions import (
    CollapseError,
    DataError,
    DivergedError,
    EquipoiseError,
    SettingError,
)
from equipoise.networks.denoiser import Denoiser, DenoiserDesign
from equipoise.resampling.diffusion import fit as diffusion_fit
from equipoise.resampling.diffusion import oversampler as diffusion
from equipoise.resampling.diffusion.fit import set_aside
from equipoise.resampling.diffusion.oversampler import DiffusionOversampler
from equipoise.testing.oversamplers import check_killed_and_continued, toy_images
from equipoise.training.hooks import KeepBest

TINY: dict[str, Any] = {
    "process": "edm",
    "n_steps": 4,
    "batch_size": 6,
    "base_channels": 4,
    "learning_rate": 0.01,
    "sampling_steps": 3,
    "device": "cpu",
}


def tiny(**changes: Any) -> DiffusionOversampler:
    return DiffusionOversampler(**{**TINY, **changes})


@pytest.fixture
def toy_pair() -> tuple[Images, Labels]:
    return toy_images((20, 10, 14))


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def forbid() -> None:
        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("trained although the finished fit is there")

        monkeypatch.setattr(diffusion_fit, "train", refuse)

    return forbid


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], None]:
    """Let the error of the images set aside follow a script, one number per evaluation."""

    real = KeepBest.__call__

    def follow(script: list[float]) -> None:
        numbers = iter(script)

        def call(self: KeepBest, done: int, history: Any) -> bool:
            error = next(numbers)
            self.score = lambda: {"set_aside_error": error}
            return real(self, done, history)

        monkeypatch.setattr(KeepBest, "__call__", call)

    return follow


def test_one_network_makes_every_class(toy_pair: tuple[Images, Labels]) -> None:
    fitted = tiny().fit(*toy_pair)
    assert list(fitted.history_) == ["all classes"]
    assert set(fitted.diversity_) == {1, 2}
    assert fitted.generate(np.array([0, 1, 2])).shape == (3, 1, 8, 8)


def test_without_a_class_that_grows_nothing_is_trained() -> None:
    fitted = tiny().fit(*toy_images((9, 9)))
    assert fitted.history_ == {}
    with pytest.raises(DataError, match="No denoiser was trained"):
        fitted.generate(np.array([0]))


def test_the_record_watches_three_groups(toy_pair: tuple[Images, Labels]) -> None:
    history = (
        tiny(n_steps=12)
        .fit(*toy_pair, validation=toy_images((4, 4, 4), seed=9))
        .history_["all classes"]
    )
    for name in ("training_error", "set_aside_error", "validation_error"):
        assert len(history.column(name)) == 12
        assert history.column(name)[0][0] == 1
    assert history.column("loss")


def test_looks_are_about_twenty_and_see_the_end(toy_pair: tuple[Images, Labels]) -> None:
    looks = (
        tiny(n_steps=47, stop_share=0.0)
        .fit(*toy_pair)
        .history_["all classes"]
        .column("training_error")
    )
    assert [step for step, _ in looks] == [*range(2, 47, 2), 47]


def test_the_same_weights_have_the_same_error_at_every_look(
    toy_pair: tuple[Images, Labels],
) -> None:
    history = tiny(learning_rate=1e-30).fit(*toy_pair).history_["all classes"]
    assert len({value for _, value in history.column("set_aside_error")}) == 1


def test_the_fit_ends_when_looks_no_longer_gain_and_keeps_the_best_weights(
    toy_pair: tuple[Images, Labels], scripted: Callable[[list[float]], None]
) -> None:
    scripted([3, 2, 4, 4, 4, 4, 4])
    stopped = tiny(n_steps=20).fit(*toy_pair)
    assert [step for step, _ in stopped.history_["all classes"].column("set_aside_error")] == list(
        range(1, 8)
    )
    scripted([9, 1, *[2] * 5])
    again = tiny(n_steps=20).fit(*toy_pair)
    scripted([9, 8, 1, *[2] * 5])
    later = tiny(n_steps=20).fit(*toy_pair)
    asked = np.ones(4, dtype=np.int64)
    np.testing.assert_array_equal(stopped.generate(asked), again.generate(asked))
    assert not np.array_equal(stopped.generate(asked), later.generate(asked))


def test_a_fit_that_is_killed_before_it_stops_continues_to_the_same_images(tmp_path: Path) -> None:
    model = tiny(n_steps=20, learning_rate=0.5)  # far too high: the first weights are the best
    looks = model.fit(*toy_images()).history_["all classes"].column("set_aside_error")
    assert len(looks) < 15
    assert looks[-1][1] > min(error for _, error in looks)
    check_killed_and_continued(model, tmp_path)


def test_without_images_set_aside_the_fit_goes_to_its_end(toy_pair: tuple[Images, Labels]) -> None:
    history = tiny(n_steps=9, stop_share=0.0).fit(*toy_pair).history_["all classes"]
    assert not history.column("set_aside_error")
    assert history.column("training_error")[-1][0] == 9


def test_images_set_aside_are_a_share_of_each_class_rounded_down() -> None:
    labels = np.repeat([0, 1, 2], [40, 9, 15])
    rows = set_aside(labels, 0.1, seed=3)
    assert np.bincount(labels[rows], minlength=3).tolist() == [4, 0, 1]
    assert len(set(rows.tolist())) == 5
    np.testing.assert_array_equal(rows, set_aside(labels, 0.1, seed=3))
    assert not np.array_equal(rows, set_aside(labels, 0.1, seed=4))
    assert len(set_aside(labels, 0.0, seed=3)) == 0


def test_images_set_aside_are_not_learned_from(toy_pair: tuple[Images, Labels]) -> None:
    """One step, after which the last weights are the best, on a batch that fits every image."""
    images, labels = toy_pair
    changed = images.copy()
    changed[set_aside(labels, 0.3, seed=0)] = 255
    model = tiny(n_steps=1, batch_size=120, batch_sampler="natural", stop_share=0.3)
    one, two = (clone(model).fit(x, labels) for x in (images, changed))
    asked = np.ones(4, dtype=np.int64)
    np.testing.assert_array_equal(one.generate(asked), two.generate(asked))


def test_a_second_fit_of_the_same_content_is_loaded(
    toy_pair: tuple[Images, Labels], tmp_path: Path, no_training: Callable[[], None]
) -> None:
    first = tiny().fit(*toy_pair, workspace=tmp_path)
    no_training()
    second = tiny(sampling_strategy={1: 12}).fit(
        *toy_pair, workspace=tmp_path
    )  # another dose, the same network
    requested_labels = np.ones(3, dtype=np.int64)
    np.testing.assert_array_equal(
        first.generate(requested_labels), second.generate(requested_labels)
    )
    assert first.history_["all classes"].rows == second.history_["all classes"].rows
    guided = tiny(guidance=2.0, sampling_steps=4).fit(
        *toy_pair, workspace=tmp_path
    )  # nor is sampling part of it
    assert not np.array_equal(first.generate(requested_labels), guided.generate(requested_labels))


@pytest.mark.parametrize(
    "change",
    [
        {"random_state": 1},
        {"process": "ddpm"},
        {"stop_share": 0.2},
        {"label_drop": 0.2},
        {"patch": 1},
    ],
)
def test_other_settings_are_another_fit(
    toy_pair: tuple[Images, Labels],
    tmp_path: Path,
    no_training: Callable[[], None],
    change: dict[str, Any],
) -> None:
    tiny().fit(*toy_pair, workspace=tmp_path)
    no_training()
    with pytest.raises(AssertionError, match="trained although"):
        tiny(**change).fit(*toy_pair, workspace=tmp_path)


def test_an_image_does_not_depend_on_how_many_are_asked_for(
    toy_pair: tuple[Images, Labels],
) -> None:
    fitted = tiny().fit(*toy_pair)
    many = fitted.generate(np.ones(70, dtype=np.int64))
    np.testing.assert_array_equal(many[:3], fitted.generate(np.ones(3, dtype=np.int64)))
    assert len(np.unique(many.reshape(70, -1), axis=0)) == 70


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"process": "edn"}, "process named 'edn'.* 'edm'"),
        ({"batch_sampler": "fair"}, "batch sampler named 'fair'"),
        ({"precision": "16"}, "precision named '16'"),
        ({"device": "gpu7"}, "device named 'gpu7'"),
        ({"n_steps": 0}, "n_steps .*1, got 0"),
        ({"base_channels": 6}, "base_channels .* 4, got 6"),
        ({"sampling_steps": 1}, "sampling_steps .*2, .*got 1"),
        ({"learning_rate": 0.0}, "learning_rate .*0 .*1, got 0.0"),
        ({"stop_share": 1.0}, "stop_share .*0 .*below 1, got 1.0"),
        ({"guidance": -1.0}, "guidance .*0.0, got -1.0"),
        ({"guidance": 2.0, "label_drop": 0.0}, "guidance=2.0 needs"),
        ({"patch": 4}, "patch.* 8 pixels.* 4"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    toy_pair: tuple[Images, Labels], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        tiny(**change).fit(*toy_pair)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((44, 1, 8, 10), "square images"),
        ((44, 1, 8, 8, 8), "square images"),
        ((44, 1, 30, 30), "Resize to 32"),
    ],
)
def test_images_that_do_not_fit_the_network_are_refused(
    toy_pair: tuple[Images, Labels], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(EquipoiseError, match=message):
        tiny().fit(np.zeros(shape, dtype=np.uint8), toy_pair[1])


def test_a_denoiser_of_one_image_is_refused_also_when_found_finished(
    toy_pair: tuple[Images, Labels],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_training: Callable[[], None],
) -> None:
    monkeypatch.setattr(diffusion, "relative_diversity", lambda _generated, _real: 0.01)
    for _ in range(2):
        with pytest.raises(CollapseError, match=r"class 1.* 1\.0%.*more n_steps"):
            tiny().fit(*toy_pair, workspace=tmp_path)
        no_training()


def test_a_loss_that_is_not_finite_ends_the_fit_with_advice(
    toy_pair: tuple[Images, Labels], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Denoiser):
        def __init__(self, design: DenoiserDesign) -> None:
            super().__init__(design)
            torch.nn.init.constant_(next(self.parameters()), float("nan"))

    monkeypatch.setattr(diffusion_fit, "Denoiser", Broken)
    with pytest.raises(
        DivergedError, match=r"loss .*nan at step 1\. .*learning_rate \(now 0\.01\)"
    ):
        tiny().fit(*toy_pair)


def test_bfloat16_trains_and_samples(toy_pair: tuple[Images, Labels]) -> None:
    assert len(tiny(precision="bf16-mixed").fit_resample(*toy_pair)[0]) == 60


def two_modes() -> tuple[Images, Labels]:
    """Draw a class of noise around gray, and a rare class with a dark left or right half."""
    rng = np.random.default_rng(0)
    unit = rng.normal(0.5, 0.03, size=(200, 1, 8, 8))
    unit[160:180, ..., :4] -= 0.3
    unit[180:, ..., 4:] -= 0.3
    return (unit * 255).astype(np.uint8), np.repeat([0, 1], [160, 40])


@pytest.mark.slow
@pytest.mark.parametrize("process", ["edm", "rectified_flow", "ddpm"])
def test_both_modes_of_a_rare_class_are_drawn_at_their_gray_levels(process: str) -> None:
    model = tiny(process=process, n_steps=600, batch_size=32, base_channels=16, learning_rate=2e-3)
    images, labels = two_modes()
    fitted = model.set_params(sampling_steps=None).fit(images, labels)
    made = fitted.generate(np.ones(96, dtype=np.int64)) / 255
    left, right = made[..., :4].mean(axis=(1, 2, 3)), made[..., 4:].mean(axis=(1, 2, 3))
    assert made.mean() == pytest.approx(0.35, abs=0.03)
    dark_left = (left < 0.3) & (right > 0.4)
    dark_right = (right < 0.3) & (left > 0.4)
    assert (dark_left | dark_right).mean() > 0.8
    assert 0.25 < dark_left.mean() < 0.75
    assert 0.5 < fitted.diversity_[1] < 1.5
    other = fitted.generate(np.zeros(32, dtype=np.int64)) / 255
    assert np.abs(other.mean(axis=(1, 2)) - 0.5).max() < 0.1

"""GANOversampler beyond the contracts: settings, cache, resume, record, collapse, sampling."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from torch import Tensor

from equipoise.arrays import Images, Labels
from equipoise.exceptions import (
    CollapseError,
    DataError,
    DivergedError,
    EquipoiseError,
    SettingError,
)
from equipoise.networks.design import Networks
from equipoise.resampling import generator_fit
from equipoise.resampling.gan import fit as gan_fit
from equipoise.resampling.gan.oversampler import GANOversampler
from equipoise.resampling.gan.presets import from_preset
from equipoise.resampling.generator_fit import sample
from equipoise.testing.oversamplers import toy_images
from equipoise.training.adversarial import AdversarialStep, Game
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.collapse import StopWhenCriticWins
from equipoise.training.progress import listening

TINY: dict[str, Any] = {
    "n_steps": 4,
    "batch_size": 6,
    "base_channels": 4,
    "latent_size": 40,
    "learning_rate": 0.01,
}


def tiny(**changes: Any) -> GANOversampler:
    return from_preset("dcgan", **{**TINY, "device": "cpu", **changes})


@pytest.fixture
def toy_pair() -> tuple[Images, Labels]:
    return toy_images((20, 10, 14))


class TrainedAgainError(Exception):
    """A step was trained although the finished fit is there."""


def refuse_training(name: str, step: int, n_steps: int) -> None:
    raise TrainedAgainError(name, step, n_steps)


def test_per_class_trains_one_pair_for_each_class_that_grows(
    toy_pair: tuple[Images, Labels],
) -> None:
    fitted = tiny().fit(*toy_pair)
    assert list(fitted.history_) == ["class 1", "class 2"]
    assert set(fitted.diversity_) == {1, 2}
    assert fitted.generated_classes_.tolist() == [1, 2]
    with pytest.raises(DataError, match=r"class 0.*sampling_strategy"):
        fitted.generate(np.array([0]))


def test_a_conditional_generator_makes_every_class(toy_pair: tuple[Images, Labels]) -> None:
    fitted = tiny(conditioning="embedding").fit(*toy_pair)
    assert list(fitted.history_) == ["all classes"]
    assert fitted.generated_classes_.tolist() == [0, 1, 2]
    assert fitted.generate(np.array([0, 1, 2])).shape == (3, 1, 8, 8)


def test_a_class_of_one_image_that_need_not_grow_takes_part() -> None:
    images, labels = toy_images((20, 10, 1))
    fitted = tiny(conditioning="embedding", sampling_strategy={1: 12}).fit(images, labels)
    assert fitted.diversity_[2] == 1.0  # nothing to compare with


def test_fields_of_records_are_parameters_too() -> None:
    gan = GANOversampler(networks=Networks(base_channels=4), game=Game(objective="hinge"))
    assert gan.get_params()["game__objective"] == "hinge"
    assert "game__objective" not in gan.get_params(deep=False)
    other = clone(gan).set_params(schedule__n_steps=7, game__clip=0.1, conditioning="one_hot")
    assert (other.schedule.n_steps, other.game.clip, other.game.objective) == (7, 0.1, "hinge")
    assert clone(other).get_params() == other.get_params()
    assert gan.schedule.n_steps != 7
    with pytest.raises(TypeError, match="n_step"):
        gan.set_params(schedule__n_step=7)


def test_the_plan_takes_every_setting() -> None:
    """A setting missing from the plan would load the fit of another value."""
    gan = tiny(conditioning="embedding")
    gan._set_seed()
    images, labels = toy_images((20, 10))
    gan.classes_, gan.sampling_strategy_ = np.unique(labels), {1: 10}
    gan.shape_, gan.span_ = images.shape[1:], (0.0, 255.0)
    plan = gan._plan("all classes", (0, 1), labels, len(labels))
    assert (plan.game, plan.layout, plan.seed) == (gan.game, gan.layout, gan.random_state)
    assert plan.schedule == gan.schedule
    assert plan.design == gan.networks.design(
        size=8, channels=1, n_classes=2, conditioning="embedding"
    )


def test_a_second_fit_of_the_same_content_is_loaded(
    toy_pair: tuple[Images, Labels], tmp_path: Path
) -> None:
    first = tiny().fit(*toy_pair, workspace=tmp_path)
    with listening(refuse_training):  # another dose, the same generator
        second = tiny(sampling_strategy={1: 12}).fit(*toy_pair, workspace=tmp_path)
    labels = np.ones(3, dtype=np.int64)
    np.testing.assert_array_equal(first.generate(labels), second.generate(labels))
    assert first.history_["class 1"].rows == second.history_["class 1"].rows


@pytest.mark.parametrize(
    "change",
    [{"random_state": 1}, {"learning_rate": 0.02}, {"n_steps": 5}, {"diffaugment": "cutout"}],
)
def test_other_settings_are_another_fit(
    toy_pair: tuple[Images, Labels], tmp_path: Path, change: dict[str, Any]
) -> None:
    tiny().fit(*toy_pair, workspace=tmp_path)
    with listening(refuse_training), pytest.raises(TrainedAgainError):
        tiny(**change).fit(*toy_pair, workspace=tmp_path)


def test_other_images_are_another_fit(toy_pair: tuple[Images, Labels], tmp_path: Path) -> None:
    tiny().fit(*toy_pair, workspace=tmp_path)
    images = toy_pair[0].copy()
    images[25, 0, 0, 0] ^= 1
    with listening(refuse_training), pytest.raises(TrainedAgainError):
        tiny().fit(images, toy_pair[1], workspace=tmp_path)


class _Stop(BaseException):
    pass


def test_a_class_that_was_finished_before_the_kill_is_not_trained_again(
    toy_pair: tuple[Images, Labels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoint, "due", lambda _self: True)
    trained_steps: list[tuple[str, int]] = []

    def stop_in_class_2(name: str, step: int, _n_steps: int) -> None:
        trained_steps.append((name, step))
        if (name, step) == ("class 2", 13):
            raise _Stop

    with listening(stop_in_class_2), pytest.raises(_Stop):
        tiny(n_steps=22).fit(*toy_pair, workspace=tmp_path)
    trained_steps.clear()
    with listening(lambda name, step, _n: trained_steps.append((name, step))):
        continued = tiny(n_steps=22).fit(*toy_pair, workspace=tmp_path)
    assert trained_steps == [
        ("class 2", step) for step in range(11, 23)
    ]  # the last checkpoint was written at step 10
    whole = tiny(n_steps=22).fit(*toy_pair)
    requested_labels = np.array([1, 2, 2])
    np.testing.assert_array_equal(
        continued.generate(requested_labels), whole.generate(requested_labels)
    )
    assert continued.history_["class 2"].rows == whole.history_["class 2"].rows


def test_the_record_has_losses_and_scores_of_real_fake_and_held_out_images(
    toy_pair: tuple[Images, Labels],
) -> None:
    fitted = tiny(n_steps=40).fit(*toy_pair, validation=toy_images((4, 4, 4), seed=5))
    history = fitted.history_["class 1"]
    for name in ("critic_loss", "generator_loss", "real_score", "fake_score"):
        assert [step for step, _ in history.column(name)] == [10, 20, 30, 40]
    for name in ("training_score", "generated_score", "validation_score"):
        assert len(history.column(name)) == 4


def test_held_out_scores_are_of_that_class_only(toy_pair: tuple[Images, Labels]) -> None:
    only_class_2 = toy_images((4, 4, 4), seed=5)[0][8:], np.full(4, 2)
    history = tiny(n_steps=10).fit(*toy_pair, validation=only_class_2).history_
    assert not history["class 1"].column("validation_score")
    assert history["class 2"].column("validation_score")


def test_an_image_does_not_depend_on_the_number_requested(toy_pair: tuple[Images, Labels]) -> None:
    fitted = tiny(conditioning="embedding").fit(*toy_pair)
    many = fitted.generate(np.full(150, 1), random_state=3)
    np.testing.assert_array_equal(
        fitted.generate(np.array([2, 1, 0, 1]), random_state=3)[[1, 3]], many[:2]
    )
    network = fitted.fitted_["all classes"].network
    latents = np.random.default_rng(0).standard_normal((10, fitted.networks.latent_size))
    whole, parts = (torch.cat(list(sample(network, latents, 1, chunk=n))) for n in (64, 7))
    assert (whole - parts).abs().max() < 1 / 255


def test_images_of_different_classes_share_no_latents(toy_pair: tuple[Images, Labels]) -> None:
    fitted = tiny().fit(*toy_pair)
    images = fitted.generate(np.array([1, 2]), random_state=0)
    assert not np.array_equal(images[0], images[1])


def test_float_images_keep_the_range_of_the_training_images() -> None:
    images, labels = toy_images(dtype="float32")
    images = images * 40 - 7
    new = tiny().fit_resample(images, labels)[0]
    assert new.dtype == np.float32
    assert images.min() <= new.min() <= new.max() <= images.max()


def test_classes_to_grow_that_the_generator_never_sees_are_refused(
    toy_pair: tuple[Images, Labels],
) -> None:
    with pytest.raises(SettingError, match=r"Class 1 .*alpha=\(0.5, 0.0, 0.5\)"):
        tiny(conditioning="embedding", alpha=(0.5, 0.0, 0.5)).fit(*toy_pair)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": "hinges"}, "objective named 'hinges'.* 'hinge'"),
        ({"layout": "dcgam"}, "layout named 'dcgam'.* 'dcgan'"),
        ({"conditioning": "none"}, "conditioning named 'none'"),
        ({"batch_sampler": "fair"}, "batch sampler named 'fair'"),
        ({"diffaugment": "flip"}, "DiffAugment transform named 'flip'"),
        ({"precision": "16"}, "precision named '16'"),
        ({"device": "gpu7"}, "device named 'gpu7'"),
        ({"alpha": 0.5}, "alpha=0.5"),
        ({"n_steps": 0}, "n_steps .*1, got 0"),
        ({"batch_size": 1}, "batch_size .*2, got 1"),
        ({"latent_size": 0}, "latent_size .*1"),
        ({"learning_rate": 0.0}, "learning_rate .*0 .*1, got 0.0"),
        ({"ema_decay": 1.0}, "ema_decay .*0 .*1, got 1.0"),
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
def test_images_that_do_not_fit_the_networks_are_refused(
    toy_pair: tuple[Images, Labels], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(EquipoiseError, match=message):
        tiny().fit(np.zeros(shape, dtype=np.uint8), toy_pair[1])


def test_a_generator_of_one_image_is_refused_and_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator_fit, "relative_diversity", lambda _generated, _real: 0.01)
    images, labels = toy_images((20, 10))
    message = r"class 1.* 1\.0%.*class 1: try diffaugment="
    with pytest.raises(CollapseError, match=message):
        tiny().fit(images, labels, workspace=tmp_path)
    with listening(refuse_training), pytest.raises(CollapseError, match=message):
        tiny().fit(images, labels, workspace=tmp_path)


def test_a_critic_that_wins_ends_the_fit(
    toy_pair: tuple[Images, Labels], monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = partial(StopWhenCriticWins, below=1e9, steps=20)
    monkeypatch.setattr(gan_fit, "StopWhenCriticWins", impatient)
    with pytest.raises(CollapseError, match=r"step 20, .*class 1: try"):
        tiny(n_steps=40).fit(*toy_pair)
    tiny(n_steps=40, objective="wasserstein", clip=0.1).fit(
        *toy_pair
    )  # whose critic has no loss to be left without


def test_a_loss_that_is_not_finite_ends_the_fit_with_advice(
    toy_pair: tuple[Images, Labels], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = AdversarialStep.__call__

    def broken(self: AdversarialStep, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        next(self.critic.parameters()).data.fill_(float("nan"))
        return step(self, images, labels)

    monkeypatch.setattr(AdversarialStep, "__call__", broken)
    with pytest.raises(DivergedError, match=r"critic_loss .*step 1\. .*_rate \(now 0\.01\)"):
        tiny().fit(*toy_pair)


def test_bfloat16_trains(toy_pair: tuple[Images, Labels]) -> None:
    assert len(tiny(precision="bf16-mixed").fit_resample(*toy_pair)[0]) == 60


@settings(deadline=None, max_examples=5)
@given(
    st.lists(st.integers(8, 12), min_size=2, max_size=4), st.sampled_from(["per_class", "one_hot"])
)
def test_any_class_counts_are_balanced(counts: list[int], conditioning: str) -> None:
    images, labels = toy_images(tuple(counts))
    new_labels = tiny(n_steps=2, conditioning=conditioning).fit_resample(images, labels)[1]
    assert set(np.bincount(new_labels).tolist()) == {max(counts)}


@pytest.mark.slow
@pytest.mark.parametrize("conditioning", ["per_class", "embedding"])
def test_generators_learn_the_gray_level_of_each_class(conditioning: str) -> None:
    images, labels = toy_images((80, 30, 50), seed=1, spacing=0.1)
    gan = tiny(
        conditioning=conditioning, n_steps=600, batch_size=32, base_channels=16, learning_rate=1e-3
    )
    fitted = gan.fit(images, labels)
    for label in (1, 2):
        made = fitted.generate(np.full(64, label))
        assert made.mean() == pytest.approx(images[labels == label].mean(), abs=13)
        assert 0.5 < fitted.diversity_[label] < 2.0

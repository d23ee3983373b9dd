"""BAGANOversampler beyond the contracts: what each of its three stages passes on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from equipoise.exceptions import CollapseError, DataError, SettingError
from equipoise.randomness import stored_settings
from equipoise.resampling.bagan.fit import (
    BAGANNetworks,
    BAGANPlan,
    build_networks,
    encode,
    fit_bagan,
    start_from_autoencoder,
)
from equipoise.resampling.bagan.oversampler import BAGANOversampler
from equipoise.resampling.generator_fit import FitImages
from equipoise.testing.oversamplers import toy_images
from equipoise.training import collapse
from equipoise.training.progress import listening

TINY: dict[str, Any] = {
    "n_steps": 3,
    "warm_start_steps": 20,
    "batch_size": 6,
    "base_channels": 8,
    "latent_size": 40,
    "learning_rate": 0.005,
    "device": "cpu",
}


def tiny(**changes: Any) -> BAGANOversampler:
    return BAGANOversampler(**{**TINY, **changes})


@pytest.fixture
def data() -> FitImages:
    images, labels = toy_images((20, 5, 14))
    return FitImages(
        images=images,
        labels=labels,
        validation=None,
        value_range=(0.0, 255.0),
        device=torch.device("cpu"),
    )


@pytest.fixture
def plan(data: FitImages) -> BAGANPlan:
    oversampler = tiny(latent_size=100)
    oversampler._set_seed()
    oversampler.classes_ = np.arange(3)
    oversampler.shape_, oversampler.span_ = data.images.shape[1:], data.value_range
    return oversampler._plan()


@pytest.fixture
def started(plan: BAGANPlan, data: FitImages) -> BAGANNetworks:
    networks = build_networks(plan, data)
    start_from_autoencoder(networks, plan, data, workspace=None)
    return networks


def test_the_critic_starts_from_the_encoder(started: BAGANNetworks) -> None:
    trained, critic = started.encoder[0].state_dict(), started.critic.trunk.state_dict()
    assert len(trained) == 8
    assert all(torch.equal(critic[name], tensor) for name, tensor in trained.items())


def test_encodings_are_without_dropout(started: BAGANNetworks, data: FitImages) -> None:
    np.testing.assert_array_equal(encode(started.encoder, data), encode(started.encoder, data))


def test_each_class_has_the_gaussian_of_its_encodings(
    started: BAGANNetworks, data: FitImages
) -> None:
    """Class 1 has 5 images and the latent space 100 dimensions."""
    gaussians = started.generator.into_latent
    latents = encode(started.encoder, data)
    for label in range(3):
        class_latents = latents[data.labels == label]
        samples = gaussians(torch.randn(1000, 100), torch.full((1000,), label)).double().numpy()
        scale = np.sqrt(np.trace(np.cov(class_latents.T)) / 100)
        assert np.abs(samples.mean(axis=0) - class_latents.mean(axis=0)).max() < 0.5 * scale
        np.testing.assert_allclose(
            np.trace(np.cov(samples.T)), np.trace(np.cov(class_latents.T)), rtol=0.1
        )


def test_gaussians_and_averages_are_saved_with_the_generator(
    started: BAGANNetworks, plan: BAGANPlan, data: FitImages
) -> None:
    tensors, metadata = fit_bagan(plan, data, workspace=None)
    gaussians = started.generator.state_dict()
    assert torch.equal(tensors["into_latent.means"], gaussians["into_latent.means"])
    assert tensors["into_latent.means"].any()
    assert len(metadata["diversity"]) == 3
    assert all(share > 0 for share in metadata["diversity"])


def test_the_record_names_both_stages() -> None:
    images, labels = toy_images()
    history = tiny(n_steps=10).fit(images, labels, validation=(images[:3], labels[:3])).history_
    assert list(history) == ["all classes: autoencoder", "all classes"]
    first, game = (one.rows[-1] for one in history.values())
    assert {
        "loss",
        "training_error_class_0",
        "training_error_class_2",
        "validation_error_class_0",
    } <= set(first)
    names = {"critic_loss", "generator_loss", "real_score", "fake_score"}
    assert names | {"training_score", "generated_score", "validation_score"} <= set(game)


def test_a_finished_fit_is_found_again(tmp_path: Path) -> None:
    images, labels = toy_images()
    first = tiny().fit(images, labels, workspace=tmp_path)
    steps: list[int] = []
    with listening(lambda _name, step, _n_steps: steps.append(step)):
        again = tiny().fit(images, labels, workspace=tmp_path)
    assert not steps
    np.testing.assert_array_equal(first.generate(labels), again.generate(labels))


def test_the_autoencoder_is_shared_by_fits_that_differ_in_the_game(tmp_path: Path) -> None:
    images, labels = toy_images()
    for rate in (0.99, 0.9):
        tiny(ema_decay=rate).fit(images, labels, workspace=tmp_path)
    names = sorted(path.name.split("-")[0] for path in tmp_path.iterdir())
    assert names == ["autoencoder", "bagan", "bagan"]


def test_nothing_is_generated_where_no_class_needed_images() -> None:
    fitted = tiny().fit(*toy_images((9, 9)))
    assert fitted.generated_classes_.tolist() == []
    with pytest.raises(DataError, match="sampling_strategy"):
        fitted.generate(np.array([0]))


def test_every_class_needs_two_images() -> None:
    images, labels = toy_images((20, 10, 1))
    with pytest.raises(DataError, match="Class 2 has 1 training image"):
        tiny(sampling_strategy={1: 20}).fit(images, labels)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_steps": 0},
        {"warm_start_steps": 0},
        {"batch_size": 1},
        {"learning_rate": 2},
        {"ema_decay": 0},
        {"shrinkage": 1.1},
        {"batch_sampler": "x"},
        {"precision": "16"},
        {"diffaugment": "x"},
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=r"Expected|No"):
        tiny(**changes).check_settings(16)


def test_a_side_that_is_not_valid_is_refused() -> None:
    with pytest.raises(SettingError, match="got 30"):
        tiny().check_settings(30)


def test_collapse_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapse, "ALIKE_BELOW", 1e9)
    with pytest.raises(CollapseError, match=r"1.*warm_start_steps \(now 20\)"):
        tiny().fit(*toy_images())


def test_the_plan_takes_every_setting() -> None:
    """A setting missing from the plan would load the fit of another value."""
    fields = set(BAGANPlan.__dataclass_fields__) | {"latent_size", "base_channels"}
    settings = stored_settings(BAGANOversampler().get_params())
    assert set(settings) - {"sampling_strategy", "device"} <= fields


@pytest.mark.slow
def test_it_learns_the_gray_level_of_each_class() -> None:
    images, labels = toy_images((80, 30, 50), seed=1, spacing=0.1)
    settings = {
        "n_steps": 300,
        "warm_start_steps": 200,
        "batch_size": 32,
        "base_channels": 8,
        "learning_rate": 1e-3,
    }
    fitted = tiny(**settings, latent_size=32).fit(images, labels)
    for label in (1, 2):
        made = fitted.generate(np.full(64, label))
        assert made.mean() == pytest.approx(images[labels == label].mean(), abs=13)
        assert 0.05 < fitted.diversity_[label] < 2.0

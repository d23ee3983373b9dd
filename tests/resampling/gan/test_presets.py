"""Every preset of docs/methods.md exists with its settings and can be trained."""

import json
import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from equipoise.exceptions import SettingError
from equipoise.networks.layouts import build_pair
from equipoise.resampling.gan.presets import GAN_PRESETS, METHODS, from_preset
from equipoise.resampling.gan.settings import INNER, Recipe
from equipoise.testing.oversamplers import toy_images
from equipoise.training.regularizers import GradientPenalty, MismatchedLabels

APPENDIX_B: dict[str, dict[str, Any]] = {  # rows of the table; betas where the optimizer has them
    "s1_dcgan": {
        "latent_size": 128,
        "batch_size": 32,
        "learning_rate": 2e-3,
        "n_epochs": 200,
        "critic_steps": 1,
    },
    "s1_lsgan": {
        "latent_size": 128,
        "batch_size": 32,
        "learning_rate": 2e-3,
        "critic_loss_scale": 0.5,
    },
    "s1_wgan_clip": {"batch_size": 64, "learning_rate": 5e-5, "optimizer": "rmsprop", "clip": 0.01},
    "s1_wgangp": {"batch_size": 32, "learning_rate": 2e-4, "n_epochs": 100, "critic_steps": 2},
    "s1_sngan": {"batch_size": 64, "learning_rate": 2e-4, "betas": (0.0, 0.9), "critic_steps": 5},
    "s1_bagan_gp": {
        "batch_size": 128,
        "learning_rate": 2e-4,
        "betas": (0.5, 0.9),
        "warm_start_epochs": 50,
    },
    "s2_dcgan": {"latent_size": 100, "batch_size": 128, "learning_rate": 2e-4, "n_epochs": 160},
    "s2_dcgan_literal": {"learning_rate": 2e-3, "data_range": "unit", "conditioning": "per_class"},
    "s2_cdcgan": {"latent_size": 100, "learning_rate": 2e-4, "n_epochs": 48, "alpha": 0.5},
    "s2_cdcgan_literal": {"learning_rate": 2e-3, "data_range": "unit", "batch_sampler": "natural"},
    "s4_dcgan": {
        "latent_size": 100,
        "batch_size": 128,
        "learning_rate": 2e-4,
        "betas": (0.5, 0.999),
    },
    "strong_gan_literal": {
        "learning_rate": 1e-4,
        "critic_learning_rate": 4e-4,
        "n_steps": 30_000,
        "batch_size": 64,
    },
}


@pytest.mark.parametrize("name", APPENDIX_B)
def test_presets_of_papers_are_rows_of_appendix_b(name: str) -> None:
    settings = GAN_PRESETS[name].flat()
    assert {key: settings[key] for key in APPENDIX_B[name]} == APPENDIX_B[name]


@pytest.mark.parametrize("name", GAN_PRESETS)
def test_every_preset_may_be_trained(name: str) -> None:
    from_preset(name, base_channels=2).check_settings(32)


def test_regularizers_of_bagan_gp_and_its_reference() -> None:
    assert from_preset("s1_bagan_gp").game.regularizers == (
        GradientPenalty(weight=10),
        MismatchedLabels(),
    )
    wrong, penalty = (
        MismatchedLabels(wrong_label="uniform"),
        GradientPenalty(interpolation="normal_at_real"),
    )
    assert from_preset("s1_bagan_gp_literal").game.regularizers == (penalty, wrong)
    assert from_preset("s1_wgangp").game.regularizers == (GradientPenalty(weight=5),)
    (around_fakes,) = from_preset("s1_wgangp_literal").game.regularizers
    assert around_fakes == GradientPenalty(weight=5, interpolation="normal")


@pytest.mark.parametrize(
    ("name", "side", "channels", "n_classes", "sizes"),
    [
        ("s1_dcgan", 64, 3, 3, (3_831_619, 2_769_729)),
        ("s2_dcgan", 128, 1, 1, (1_879_681, 1_650_433)),
        ("s4_dcgan", 32, 3, 1, (370_624, 167_872)),
    ],
)
def test_networks_of_papers_have_their_numbers_of_weights(
    name: str, side: int, channels: int, n_classes: int, sizes: tuple[int, int]
) -> None:
    gan = from_preset(name)
    gan.shape_ = (channels, side, side)
    pair = build_pair(gan.layout, gan._design(range(n_classes)))
    assert tuple(sum(p.numel() for p in network.parameters()) for network in pair) == sizes


def test_overrides_win() -> None:
    gan = from_preset("wgan_gp", n_steps=7, critic_steps=2, random_state=3)
    assert (gan.schedule.n_steps, gan.game.critic_steps, gan.game.objective) == (
        7,
        2,
        "wasserstein",
    )
    assert gan.random_state == 3


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(SettingError, match=r"'base_channel'.*'base_channels'"):
        from_preset("dcgan", base_channel=3)


@pytest.mark.parametrize("name", GAN_PRESETS)
def test_a_preset_written_as_json_comes_back(name: str) -> None:
    recipe = GAN_PRESETS[name]
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_every_setting_has_a_name_of_its_own() -> None:
    names = [f.name for kind in (Recipe, *INNER.values()) for f in fields(kind)]
    assert len(names) == len(set(names))


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(SettingError, match=r"preset named 'wgan'.* 'wgan_gp'"):
        from_preset("wgan")


def test_methods_leave_steps_and_sizes_to_the_budget() -> None:
    defaults = Recipe().flat()
    for recipe in METHODS.values():
        for name in ("n_steps", "n_epochs", "batch_size", "base_channels", "precision"):
            assert recipe.flat()[name] == defaults[name]


@pytest.mark.parametrize(
    ("name", "expected"), [("s1_dcgan", 63), ("s1_wgangp", 16), ("s1_bagan_gp", 16)]
)
def test_epochs_are_passes_of_the_critic_over_the_images(name: str, expected: int) -> None:
    """10 images, 200 (or 100) epochs: batches of 32; 2 of 32 for each step; one of 128 for each."""
    gan = from_preset(name)
    gan._set_seed()
    labels = np.zeros(10, dtype=np.int64)
    gan.classes_, gan.sampling_strategy_ = np.unique(labels), {}
    gan.shape_, gan.span_ = (1, 64, 64), (0.0, 255.0)
    schedule = gan._plan("all classes", [0], labels, len(labels)).schedule
    assert schedule.n_steps == expected
    assert gan.schedule.n_epochs is not None
    batch = {"s1_dcgan": 32, "s1_wgangp": 64}.get(name, 128)
    assert schedule.n_steps == math.ceil(gan.schedule.n_epochs * 10 / batch)
    assert schedule.n_epochs is None


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_methods_learn_the_gray_level_of_each_class(name: str) -> None:
    """8 px, about 1,200 updates: finite losses, images that differ, as bright as real ones."""
    images, labels = toy_images((80, 30, 50), seed=1, spacing=0.1)
    gan = from_preset(
        name, base_channels=8, batch_size=32, latent_size=32, device="cpu", warm_start_steps=100
    )
    n_steps = max(200, 1200 // (1 + gan.game.critic_steps))
    fitted = gan.set_params(schedule__n_steps=n_steps).fit(images, labels)
    for label in (1, 2):
        made = fitted.generate(np.full(64, label))
        assert made.mean() == pytest.approx(images[labels == label].mean(), abs=20)
        assert 0.3 < fitted.diversity_[label] < 2.5
    rows = [row for history in fitted.history_.values() for row in history.rows]
    assert all(math.isfinite(value) for row in rows for value in row.values())

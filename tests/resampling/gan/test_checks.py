"""Settings that cannot work, alone or together, are refused before any image is read."""

from typing import Any

import pytest

from equipoise.exceptions import SettingError
from equipoise.resampling.gan.checks import check_label_mix
from equipoise.resampling.gan.label_prior import label_probabilities
from equipoise.resampling.gan.presets import from_preset
from equipoise.training.regularizers import R1, GradientPenalty

CONDITIONAL = {"conditioning": "one_hot"}
WASSERSTEIN = {"objective": "wasserstein"}


def check(**settings: Any) -> None:
    from_preset("dcgan", **settings).check_settings(16)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "adan"}, "optimizer named 'adan'.* 'adam'"),
        ({"data_range": "units"}, "data range named 'units'.* 'unit'"),
        ({"warm_start": "vae"}, "warm start named 'vae'"),
        ({"critic_norm": "bach"}, "critic norm named 'bach'.* 'batch'"),
        ({"initialization": "he"}, "initialization named 'he'"),
        ({"ada": "scale,blur"}, "ADA transform named 'blur'"),
        ({"critic_steps": 0}, "critic_steps .*1, got 0"),
        ({"warm_start_steps": 0}, "warm_start_steps .*1, got 0"),
        ({"n_epochs": 0}, "n_epochs .*0, got 0"),
        ({"warm_start_epochs": -1}, "warm_start_epochs .*0, got -1"),
        ({"critic_loss_scale": 0.0}, "critic_loss_scale .*0, got 0.0"),
        ({**WASSERSTEIN, "clip": -0.01}, "clip .*0, got -0.01"),
        ({"critic_learning_rate": 1.5}, "critic_learning_rate .*0 .*1, got 1.5"),
        (
            {"betas": (0.5, 1.0)},
            r"betas .*0 .*1, got \(0\.5, 1\.0\)",
        ),
        (
            {"regularizers": "r1"},
            r"regularizers .*\('r1',\), got 'r1'",
        ),
        ({"regularizers": ("r2",)}, "regularizer named 'r2'"),
        (
            {**CONDITIONAL, "regularizers": (R1(), "r1")},
            "regularizer once, got 'r1'",
        ),
    ],
)
def test_unknown_names_and_numbers_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        check(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {**WASSERSTEIN, "regularizers": ("gradient_penalty",)},
            "gradient_penalty.*batch norm.*critic_norm=",
        ),
        (
            {"regularizers": ("dragan",)},
            "'dragan'.*batch norm",
        ),
        (
            {"regularizers": (R1(gamma=1),)},
            "'r1' .*critic_norm='layer', 'instance' or 'none'",
        ),
        (
            WASSERSTEIN,
            "'wasserstein'.* clip=0.01, .* or critic_norm='spectral'",
        ),
        ({"clip": 0.01}, "clip=0.01 belongs to objective='wasserstein'"),
        (
            {
                **WASSERSTEIN,
                "clip": 0.01,
                "critic_norm": "layer",
                "regularizers": (GradientPenalty(),),
            },
            "either clip or .*'gradient_penalty'",
        ),
        (
            {**WASSERSTEIN, "clip": 0.01, "critic_norm": "spectral"},
            "either clip or critic_norm='spectral'",
        ),
        (
            {**WASSERSTEIN, "clip": 0.01, "layout": "residual"},
            "either clip or critic_norm='spectral'",
        ),
        (
            {"regularizers": ("mismatched_labels",)},
            "mismatched_labels.*conditioning=",
        ),
        ({"alpha": "inverse"}, "alpha='inverse' needs"),
        ({"ada": "scale", "diffaugment": "cutout"}, "either ada or diffaugment"),
        (
            {**CONDITIONAL, "ada": "scale", "objective": "least_squares"},
            "ada .*least_squares",
        ),
        (
            {**WASSERSTEIN, "clip": 0.01, "ada": "scale"},
            "ada .*objective='wasserstein'",
        ),
        (
            {"warm_start": "autoencoder"},
            "layout 'bagan_gp', got layout='dcgan'",
        ),
        ({"layout": "constant", "conditioning": "projection"}, "'constant' has none"),
        ({"layout": "bagan_gp", "conditioning": "one_hot"}, "bagan_gp.*one_hot.*product"),
        ({"layout": "dcgan", "conditioning": "product"}, "product.*bagan_gp"),
    ],
)
def test_settings_that_make_no_sense_together(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        check(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {**WASSERSTEIN, "clip": 0.01},
        {**WASSERSTEIN, "critic_norm": "spectral"},
        {**WASSERSTEIN, "layout": "residual"},
        {**WASSERSTEIN, "layout": "constant", "regularizers": ("gradient_penalty",)},
        {"critic_norm": "instance", "regularizers": ("dragan",)},
        {"layout": "residual", "regularizers": ("r1",)},
        {"ada": "scale", "objective": "hinge"},
        {**CONDITIONAL, "regularizers": ("mismatched_labels",)},
        {"layout": "bagan_gp", "conditioning": "product", "warm_start": "autoencoder_and_critic"},
    ],
)
def test_settings_that_belong_together(settings: dict[str, Any]) -> None:
    check(**settings)


def test_looking_at_the_networks_leaves_the_callers_chance_alone() -> None:
    import torch

    before = torch.get_rng_state()
    check(critic_norm="spectral")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "refused", [{"alpha": 0.25}, {"alpha": "inverse"}, {"batch_sampler": "natural"}]
)
def test_a_mix_of_labels_that_batch_norm_would_betray_is_refused(refused: dict[str, Any]) -> None:
    recipe = from_preset("cdcgan", base_channels=1, **refused).recipe
    fakes = label_probabilities(recipe.alpha, [30, 10]).tolist()
    with pytest.raises(SettingError, match=r"0.25, 0.75|0.50, 0.50 against 0.75, 0.25"):
        check_label_mix(recipe, 16, fakes, [30, 10])
    for allowed in (
        {"layout": "constant"},
        {"critic_norm": "layer"},
        {"conditioning": "projection"},
    ):
        check_label_mix(recipe.changed(**allowed), 16, fakes, [30, 10])


def test_equal_mixes_of_labels_are_allowed() -> None:
    for settings in ({}, {"alpha": 0.5}, {"alpha": "empirical", "batch_sampler": "natural"}):
        recipe = from_preset("cdcgan", base_channels=1, **settings).recipe
        fakes = label_probabilities(recipe.alpha, [30, 10]).tolist()
        check_label_mix(recipe, 16, fakes, [30, 10])

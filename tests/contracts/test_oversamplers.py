"""Every oversampler keeps the contracts of `equipoise.testing.oversamplers`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from equipoise.resampling.bagan.oversampler import BAGANOversampler
from equipoise.resampling.base import Oversampler, Resampler
from equipoise.resampling.diffusion.oversampler import DiffusionOversampler
from equipoise.resampling.gan.oversampler import GANOversampler
from equipoise.resampling.gan.presets import from_preset
from equipoise.resampling.random import RandomOversampler, ReplayOversampler
from equipoise.resampling.resized import ResizedOversampler
from equipoise.resampling.smote import SMOTEOversampler
from equipoise.resampling.vae.oversampler import VAEOversampler
from equipoise.testing.oversamplers import CHECKS, RESAMPLER_CHECKS, toy_images
from equipoise.training.adaptive_augmentation import AdaptiveAugmentation
from equipoise.training.regularizers import R1, OrthogonalFilters

SHORT: dict[str, Any] = {
    "n_steps": 4,
    "batch_size": 6,
    "learning_rate": 0.01,
    "base_channels": 4,
    "device": "cpu",
}


def gan(preset: str = "dcgan", **changes: Any) -> GANOversampler:
    return from_preset(preset, **SHORT | {"latent_size": 40} | changes)


def diffusion(process: str, **changes: Any) -> DiffusionOversampler:
    return DiffusionOversampler(**SHORT | {"process": process, "sampling_steps": 3} | changes)


OVERSAMPLERS: dict[str, Oversampler] = {
    "per_class": gan(),
    "resized": ResizedOversampler(SMOTEOversampler(), side=4),
    "embedding": gan(
        conditioning="embedding", alpha="inverse", batch_sampler="natural", critic_norm="layer"
    ),
    "constant": gan(
        conditioning="embedding_map",
        layout="constant",
        objective="hinge",
        diffaugment="translation",
    ),
    "wgan_clip": gan("wgan_clip", critic_steps=2),
    "wgan_gp": gan("wgan_gp", critic_steps=2, batch_sampler="natural"),
    "lsgan_ttur": gan("lsgan", critic_learning_rate=0.02, attention=True, data_range="unit"),
    "dragan": gan("dragan"),
    "r1": gan("r1", regularizers=(R1(gamma=1.0, every=3), OrthogonalFilters(every=2))),
    "ada": gan("ada", n_steps=7),
    "sngan": gan("sngan", base_channels=1),
    "bagan": BAGANOversampler(
        n_steps=3,
        warm_start_steps=20,
        batch_size=6,
        base_channels=8,
        latent_size=40,
        learning_rate=0.005,
        device="cpu",
    ),
    "bagan_gp": gan(
        "bagan_gp",
        n_steps=3,
        warm_start_steps=2,
        critic_steps=2,
        learning_rate=0.03,
        latent_size=20,
    ),
    "vae": VAEOversampler(
        **SHORT | {"batch_size": 4, "trunk": "small_cnn", "latent_channels": 4, "base_channels": 2}
    ),
    "edm": diffusion("edm"),
    "dcgan_bfloat16": gan("dcgan", precision="bf16-mixed"),
    "edm_bfloat16": diffusion("edm", precision="bf16-mixed"),
    "rectified_flow": diffusion("rectified_flow", guidance=1.5, stop_share=0.3),
    "ddpm": diffusion("ddpm", stop_share=0.0, batch_sampler="natural"),
    "smote": SMOTEOversampler(),
    "borderline_smote": SMOTEOversampler(kind="borderline_smote"),
    "adasyn": SMOTEOversampler(kind="adasyn"),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", OVERSAMPLERS)
def test_oversampler(name: str, check: Callable[[Oversampler, Path], None], tmp_path: Path) -> None:
    check(OVERSAMPLERS[name], tmp_path)


def test_ada_has_moved_when_it_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the check of a killed fit would not notice a p that starts anew."""
    seen: list[AdaptiveAugmentation] = []
    observe = AdaptiveAugmentation.observe

    def certain(self: AdaptiveAugmentation, scores: torch.Tensor) -> None:
        seen.append(self)
        observe(self, scores.abs() + 1)

    monkeypatch.setattr(AdaptiveAugmentation, "observe", certain)
    OVERSAMPLERS["ada"].fit(*toy_images())
    assert seen[0].probability > 0
    assert seen[0].minibatches == 7


@pytest.mark.parametrize("check", RESAMPLER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", [RandomOversampler, ReplayOversampler])
def test_random_oversampler(
    kind: type[Resampler], check: Callable[[Resampler, Path], None], tmp_path: Path
) -> None:
    check(kind(), tmp_path)

"""Sizes at which people work: 64 to 512 px, for every layout and every method that generates."""

import pytest
import torch

from equipoise.experiments.methods.catalogue import METHODS, build_methods
from equipoise.experiments.protocol import Budget
from equipoise.networks.bagan import bagan_networks
from equipoise.networks.denoiser import Denoiser, DenoiserDesign
from equipoise.networks.design import Design
from equipoise.networks.layouts import LAYOUTS, build_pair
from equipoise.networks.vae import VAEDesign, build_vae

SLOW = (64, 128, 160, 192, 256, 320, 384)
SIDES = [96, 224, 512, *(pytest.param(side, marks=pytest.mark.slow) for side in SLOW)]
TINY = {"latent_size": 3, "base_channels": 2, "max_channels": 4}
LITERAL = {"s0_vae_literal": (320,)}  # the paper's own settings: head stride 2 at 320 px
GENERATORS = ("dcgan", "cdcgan", "sngan", "bagan", "bagan_gp", "strong_gan", "edm", "wgan_gp")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_maps_latents_to_images_and_these_to_scores(layout: str, side: int) -> None:
    conditioning = "product" if layout == "bagan_gp" else "none"
    n_classes = 2 if layout == "bagan_gp" else 1
    design = Design(
        size=side,
        channels=3,
        n_classes=n_classes,
        conditioning=conditioning,
        **TINY,  # type: ignore[arg-type]  # whole numbers
    )
    with torch.device("meta"):
        generator, critic = build_pair(layout, design)
        labels = torch.zeros(2, dtype=torch.int64)
        images = generator(torch.empty(2, 3), labels)
        assert images.shape == (2, 3, side, side)
        assert critic(images, labels).shape == (2,)


@pytest.mark.parametrize("side", SIDES)
def test_bagan_vae_and_denoiser_restore_the_side(side: int) -> None:
    with torch.device("meta"):
        labels = torch.zeros(2, dtype=torch.int64)
        design = Design(size=side, channels=1, n_classes=2, latent_size=3, base_channels=2)
        generator, critic, encoder = bagan_networks(design)
        images = generator(torch.empty(2, 3), labels)
        assert images.shape == (2, 1, side, side)
        assert critic(images, labels).shape == (2,)
        assert encoder(images).shape == (2, 3)
        for trunk in ("small_cnn", "resnet18", "mobilenet_v2"):
            vae = build_vae(
                VAEDesign(trunk=trunk, size=side, channels=1, latent_channels=2, base_channels=1)
            )
            assert vae.decode(vae.encode(images)[0]).shape == images.shape
        for patch in (1, 2):
            denoiser = Denoiser(
                DenoiserDesign(size=side, channels=1, n_classes=2, base_channels=4, patch=patch)
            )
            assert denoiser(images, torch.empty(2), labels).shape == images.shape


@pytest.mark.parametrize("side", [96, 224, 512])
def test_every_method_takes_the_side(side: int) -> None:
    generating = [name for name, method in METHODS.items() if method.balance is not None]
    assert set(GENERATORS) <= set(generating)
    papers = [name for name in generating if name.startswith("s")]
    for name in {*GENERATORS, *papers, "vae", "vae_smote", "smote"}:
        if side not in LITERAL.get(name, (side,)):
            continue
        for _, step in build_methods([name], Budget(network="resnet18"))[name].steps:
            step.check_settings(side)

"""Shapes, sizes and parameter counts of the VAE."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from equipoise.exceptions import SettingError
from equipoise.networks.backbones import build, find_backbone
from equipoise.networks.vae import VAE, VAEDesign, build_vae, last_map


def design(size: int, trunk: str = "small_cnn", **settings: int) -> VAEDesign:
    return VAEDesign(**{"trunk": trunk, "size": size, "channels": 1, **settings})  # type: ignore[arg-type]


def tiny(size: int, channels: int = 1) -> VAE:
    return build_vae(design(size, channels=channels, latent_channels=4, base_channels=2))


def n_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def densenet() -> nn.Module:
    with torch.device("meta"):
        network = build("densenet121", channels=3, n_classes=2, side=160)
        return find_backbone("densenet121").trunk(network).eval()


@pytest.mark.parametrize(
    ("side", "expected"), [(64, 2), (157, 5), (188, 5), (224, 7), (317, 10), (348, 10)]
)
def test_side_of_the_last_map_of_densenet(densenet: nn.Module, side: int, expected: int) -> None:
    assert densenet(torch.empty(1, 3, side, side, device="meta")).shape == (
        1,
        1024,
        expected,
        expected,
    )


@pytest.mark.parametrize(("size", "head_stride"), [(160, 1), (320, 2)])
def test_both_readings_of_paper_s0(size: int, head_stride: int) -> None:
    with torch.device("meta"):
        network = build_vae(design(size, "densenet121", channels=3, head_stride=head_stride)).eval()
        mean, log_variance = network.encode(torch.empty(2, 3, size, size))
        assert mean.shape == log_variance.shape == (2, 256, 5, 5)
        assert mean[0].numel() == 6400
        assert network.decode(mean).shape == (2, 3, size, size)
    assert n_parameters(network.trunk) == 6_953_856
    assert n_parameters(network.mean) == n_parameters(network.log_variance) == 2_359_552
    convolutions = [module for module in network.decoder.modules() if isinstance(module, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [256, 256, 128, 64, 32, 16, 3]


@pytest.mark.parametrize(
    ("size", "latent_side", "n_doublings"),
    [
        (28, 4, 3),
        (32, 4, 3),
        (48, 6, 3),
        (64, 2, 5),
        (96, 3, 5),
        (128, 4, 5),
        (224, 7, 5),
        (256, 8, 5),
    ],
)
def test_sides_that_a_residual_trunk_can_restore(
    size: int, latent_side: int, n_doublings: int
) -> None:
    plan = design(size, "resnet18")
    assert (plan.latent_side, plan.n_doublings) == (latent_side, n_doublings)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 28, 32])
def test_small_images_are_padded_and_cut_back(size: int, channels: int) -> None:
    network = tiny(size, channels)
    images = torch.rand(2, channels, size, size)
    assert network.decode(network.encode(images)[0]).shape == images.shape


def test_padding_repeats_the_border() -> None:
    padded = []
    network = tiny(28)
    network.trunk.register_forward_pre_hook(lambda _module, arguments: padded.append(arguments[0]))
    images = torch.rand(1, 1, 28, 28)
    network.encode(images)
    assert torch.equal(padded[0][..., 2:-2, 2:-2], images)
    assert torch.equal(padded[0][..., :2, 2:-2], images[..., :1, :].expand(-1, -1, 2, -1))


@pytest.mark.parametrize(("size", "side"), [(32, 2), (48, 3), (64, 4), (128, 8)])
def test_maps_that_are_no_halves_of_one_another_are_averaged_to_one_that_is(
    size: int, side: int
) -> None:
    plan = design(size)
    vae = build_vae(plan).eval()
    images = torch.rand(2, plan.channels, size, size)
    mean, _ = vae.encode(images)
    assert mean.shape[-1] == plan.latent_side == side
    assert vae.decode(mean).shape == images.shape


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (design(31), r"images of 31 px .* Resize to one of \[32, 48, 64, "),
        (
            design(100),
            r"'small_cnn', head_stride=1 and 6 .* 100 px",
        ),
        (design(320, "resnet18", n_blocks=4), "and 4 decoder blocks cannot"),
    ],
)
def test_sides_that_cannot_be_restored_are_refused(plan: VAEDesign, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        plan.check()


def test_log_variances_are_clamped() -> None:
    network = tiny(32)
    for bias, expected in ((1e3, 20.0), (-1e3, -30.0)):
        nn.init.constant_(network.log_variance.bias, bias)  # type: ignore[arg-type]
        assert (network.encode(torch.rand(2, 1, 32, 32))[1] == expected).all()


def test_training_encodes_as_evaluation_does() -> None:
    network, images = tiny(32), torch.rand(2, 1, 32, 32)  # its trunk has dropout and no batch norm
    assert torch.equal(network.train().encode(images)[0], network.eval().encode(images)[0])


def test_looking_up_the_last_map_draws_no_chance() -> None:
    before = torch.get_rng_state()
    last_map.cache_clear()
    assert last_map("small_cnn", 32) == (128, 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_equal_chance_builds_equal_networks(built: Callable[[], VAE]) -> None:
    first, second = built().state_dict(), built().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def built() -> Callable[[], VAE]:
    def make() -> VAE:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return tiny(32)

    return make

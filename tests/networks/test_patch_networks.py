from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from equipoise.exceptions import SettingError
from equipoise.networks.patch_networks import PATCH_NETWORKS, PatchNetwork

NETWORKS = list(PATCH_NETWORKS.values())
SLIDING = [kind for kind in NETWORKS if kind.slides]


def uneven(n: int, height: int, width: int, channels: int = 2) -> Tensor:
    """Return images that differ from place to place, (n, c, h, w)."""
    coarse = torch.randn(
        n, channels, height // 4, width // 4, generator=torch.Generator().manual_seed(1)
    )
    return interpolate(coarse, size=(height, width), mode="bilinear")


def trained(kind: PatchNetwork) -> nn.Module:
    """Return a network in evaluation mode with batch statistics: logits differ by patch."""
    torch.manual_seed(0)
    network = kind.build(2, 3, 4)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    network.train()(uneven(4, kind.smallest, kind.smallest))
    return network.eval()


@pytest.mark.parametrize("kind", NETWORKS, ids=lambda kind: kind.name)
def test_every_network_gives_logits_of_every_size_it_takes(kind: PatchNetwork) -> None:
    assert PATCH_NETWORKS[kind.name] is kind
    for size in (kind.smallest, kind.smallest + kind.multiple, 64):
        kind.check_size(size)
        with torch.no_grad():
            logits = trained(kind)(torch.randn(2, 2, size, size))
        assert logits.shape == ((2, 3, size, size) if kind.dense else (2, 3))


@pytest.mark.parametrize("kind", NETWORKS, ids=lambda kind: kind.name)
def test_other_sizes_are_refused(kind: PatchNetwork) -> None:
    for size in (kind.smallest - kind.multiple, kind.smallest + 1):
        with pytest.raises(
            SettingError, match=rf"'{kind.name}'.* multiple of {kind.multiple}\b.* got {size}"
        ):
            kind.check_size(size)


@pytest.mark.parametrize("size", [32, 48, 64])
@pytest.mark.parametrize("kind", SLIDING, ids=lambda kind: kind.name)
def test_sliding_gives_the_logits_of_the_cropped_patches(kind: PatchNetwork, size: int) -> None:
    """Equal to 1e-4 in evaluation mode, at every point of the grid."""
    network = trained(kind)
    image = uneven(1, size + 12, size + 8)
    with torch.no_grad():
        grid = network.grid(image, size)  # type: ignore[operator]
        assert grid.shape == (1, 3, 4, 3)
        assert grid.std(dim=(2, 3)).min() > 0.01, "patches too alike to tell a wrong one"
        for i, j in product(range(4), range(3)):
            patch = image[:, :, 4 * i : 4 * i + size, 4 * j : 4 * j + size]
            torch.testing.assert_close(grid[:, :, i, j], network(patch), atol=1e-4, rtol=0)


def test_the_padded_network_could_not_slide() -> None:
    """Every patch is needed: a convolution pads a patch with zeros where the slice goes on."""
    network, image = trained(PATCH_NETWORKS["center_cnn"]), uneven(1, 72, 64)
    with torch.no_grad():
        inside = network.get_submodule("features")(image)[:, :, 1:].mean(dim=(2, 3))
        slid = network.get_submodule("head")(inside)
        assert (slid - network(image[:, :, 8:])).abs().max() > 1e-3


def test_golden_maps_and_widths() -> None:
    """Channels 64, 128, 256 and 256 channels, 8 x 8; without padding 60, 26 and 9 px."""
    shapes: dict[str, list[tuple[int, ...]]] = {}
    for name in ("center_cnn", "center_cnn_valid"):
        network = PATCH_NETWORKS[name].build(4, 5, 64).eval()
        seen = shapes[name] = []
        for layer in network.get_submodule("features").children():
            if isinstance(layer, nn.Sequential):
                layer.register_forward_hook(
                    lambda _m, _i, out, seen=seen: seen.append(tuple(out.shape[1:]))
                )
        with torch.no_grad():
            assert network(torch.zeros(1, 4, 64, 64)).shape == (1, 5)
    assert shapes["center_cnn"] == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (256, 8, 8)]
    assert shapes["center_cnn_valid"] == [(64, 60, 60), (128, 26, 26), (256, 9, 9)]


def test_a_dense_network_knows_no_other_patch_of_its_batch() -> None:
    """No batch statistics, which a balanced batch would shift."""
    network, patches = PATCH_NETWORKS["unet"].build(2, 3, 4).train(), torch.randn(3, 2, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(patches)[:1], network(patches[:1]), atol=1e-5, rtol=1e-4)

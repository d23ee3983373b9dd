import pytest
from torch import nn

from equipoise.networks.backbones.densenet import densenet121
from equipoise.networks.backbones.resnet import resnet18, resnet50


def test_resnet_has_the_parameters_that_its_official_file_has() -> None:
    assert sum(p.numel() for p in resnet18(3, 1000, 224).parameters()) == 11_689_512
    assert sum(p.numel() for p in resnet50(3, 1000, 224).parameters()) == 25_557_032


@pytest.mark.parametrize("build", [resnet18, resnet50, densenet121])
def test_the_stem_is_small_below_64_px_only(build: type[nn.Module]) -> None:
    """MONAI's own default is a 7x7 stem of stride 1 at every size: four times the work."""

    def stem(side: int, **settings: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        layers = build(1, 2, side, **settings).modules()
        first = next(layer for layer in layers if isinstance(layer, nn.Conv2d))
        return first.kernel_size, first.stride

    assert stem(63) == ((3, 3), (1, 1))
    assert stem(64) == ((7, 7), (2, 2))
    assert stem(32, small_kernel=7) == ((7, 7), (1, 1))

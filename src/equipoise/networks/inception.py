"""The Inception network of the Frechet inception distance; names as in the official weights."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from equipoise.discovery import unknown
from equipoise.exceptions import SettingError

Kernel = int | tuple[int, int]
Path = tuple[str, ...]  # names of layers in sequence

TAPS: Mapping[int, str] = {64: "maxpool1", 192: "maxpool2", 768: "Mixed_6e", 2048: "Mixed_7c"}
"""Last layer by the number of features; 2,048 are those of the standard distance."""


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: Kernel, *, stride: int = 1, padding: Kernel = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, inputs, h, w) to (b, outputs, h', w')."""
        return torch.relu(self.bn(self.conv(images)))


class ParallelPaths(nn.Module):
    """Concatenates the outputs of several paths; paths with a common beginning share it.

    Args:
        layers: All layers by name.
        paths: The paths, in the order of their channels in the output.
    """

    def __init__(self, layers: Mapping[str, nn.Module], paths: tuple[Path, ...]) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.paths = paths

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, the sum of the paths' channels, h', w')."""
        outputs: dict[Path, Tensor] = {(): images}  # after each beginning of a path
        for path in self.paths:
            for end in range(1, len(path) + 1):
                if path[:end] not in outputs:
                    layer = self.get_submodule(path[end - 1])
                    outputs[path[:end]] = layer(outputs[path[: end - 1]])
        return torch.cat([outputs[path] for path in self.paths], dim=1)


class GlobalMean(nn.Module):
    """The mean over the map."""

    def forward(self, maps: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, c)."""
        return maps.mean(dim=(2, 3))


def fid_inception(dimension: int = 2048) -> nn.Sequential:
    """Build the network up to the map with `dimension` channels and its mean; weights are random.

    It maps images (b, 3, 299, 299) in about [-1, 1] to (b, dimension); 21,785,568 parameters for
    2,048 features.

    Source: Szegedy et al. (2016), "Rethinking the Inception Architecture", in the variant of the
    TensorFlow graph of 2015-12-05 that defines the distance: average pools exclude the padding,
    and the last block pools by the maximum. Names are torchvision's, so that the weights released
    by pytorch-fid and torch-fidelity fit. Difference: the last layer (1,008 classes) is omitted.

    Raises:
        SettingError: There is no map with that number of channels.

    Example:
        >>> fid_inception(64)(torch.zeros(1, 3, 75, 75)).shape
        torch.Size([1, 64])
    """
    if dimension not in TAPS:
        raise SettingError(unknown(str(dimension), map(str, TAPS), "number of features"))
    network = nn.Sequential()
    for name, layer in inception_layers():
        network.add_module(name, layer)
        if name == TAPS[dimension]:
            break
    network.add_module("mean", GlobalMean())
    return network


def inception_layers() -> Iterator[tuple[str, nn.Module]]:
    """Build the layers one after the other, with their names."""
    yield "Conv2d_1a_3x3", ConvNorm(3, 32, 3, stride=2)
    yield "Conv2d_2a_3x3", ConvNorm(32, 32, 3)
    yield "Conv2d_2b_3x3", ConvNorm(32, 64, 3, padding=1)
    yield "maxpool1", nn.MaxPool2d(3, 2)
    yield "Conv2d_3b_1x1", ConvNorm(64, 80, 1)
    yield "Conv2d_4a_3x3", ConvNorm(80, 192, 3)
    yield "maxpool2", nn.MaxPool2d(3, 2)
    for name, inputs, pooled in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        yield f"Mixed_{name}", block_a(inputs, pooled)
    yield "Mixed_6a", block_b(288)
    for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        yield f"Mixed_{name}", block_c(768, width)
    yield "Mixed_7a", block_d(768)
    yield "Mixed_7b", block_e(1280, _mean_pool())
    yield "Mixed_7c", block_e(2048, nn.MaxPool2d(3, 1, 1))


def block_a(inputs: int, pooled: int) -> ParallelPaths:
    """Build a block of the 35 x 35 maps."""
    layers = {
        "branch1x1": _same(inputs, 64),
        "branch5x5_1": _same(inputs, 48),
        "branch5x5_2": _same(48, 64, 5),
        "branch3x3dbl_1": _same(inputs, 64),
        "branch3x3dbl_2": _same(64, 96, 3),
        "branch3x3dbl_3": _same(96, 96, 3),
        "pool": _mean_pool(),
        "branch_pool": _same(inputs, pooled),
    }
    double = ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
    return ParallelPaths(
        layers, (("branch1x1",), ("branch5x5_1", "branch5x5_2"), double, ("pool", "branch_pool"))
    )


def block_b(inputs: int) -> ParallelPaths:
    """Build a block of the step from 35 x 35 to 17 x 17."""
    layers = {
        "branch3x3": ConvNorm(inputs, 384, 3, stride=2),
        "branch3x3dbl_1": _same(inputs, 64),
        "branch3x3dbl_2": _same(64, 96, 3),
        "branch3x3dbl_3": ConvNorm(96, 96, 3, stride=2),
        "pool": nn.MaxPool2d(3, 2),
    }
    return ParallelPaths(
        layers, (("branch3x3",), ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"), ("pool",))
    )


def block_c(inputs: int, width: int) -> ParallelPaths:
    """Build a block of the 17 x 17 maps."""
    layers = {
        "branch1x1": _same(inputs, 192),
        "branch7x7_1": _same(inputs, width),
        "branch7x7_2": _same(width, width, (1, 7)),
        "branch7x7_3": _same(width, 192, (7, 1)),
        "branch7x7dbl_1": _same(inputs, width),
        "branch7x7dbl_2": _same(width, width, (7, 1)),
        "branch7x7dbl_3": _same(width, width, (1, 7)),
        "branch7x7dbl_4": _same(width, width, (7, 1)),
        "branch7x7dbl_5": _same(width, 192, (1, 7)),
        "pool": _mean_pool(),
        "branch_pool": _same(inputs, 192),
    }
    single = ("branch7x7_1", "branch7x7_2", "branch7x7_3")
    double = tuple(f"branch7x7dbl_{i}" for i in range(1, 6))
    return ParallelPaths(layers, (("branch1x1",), single, double, ("pool", "branch_pool")))


def block_d(inputs: int) -> ParallelPaths:
    """Build a block of the step from 17 x 17 to 8 x 8."""
    layers = {
        "branch3x3_1": _same(inputs, 192),
        "branch3x3_2": ConvNorm(192, 320, 3, stride=2),
        "branch7x7x3_1": _same(inputs, 192),
        "branch7x7x3_2": _same(192, 192, (1, 7)),
        "branch7x7x3_3": _same(192, 192, (7, 1)),
        "branch7x7x3_4": ConvNorm(192, 192, 3, stride=2),
        "pool": nn.MaxPool2d(3, 2),
    }
    long = ("branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4")
    return ParallelPaths(layers, (("branch3x3_1", "branch3x3_2"), long, ("pool",)))


def block_e(inputs: int, pool: nn.Module) -> ParallelPaths:
    """Build a block of the 8 x 8 maps."""
    layers = {
        "branch1x1": _same(inputs, 320),
        "branch3x3_1": _same(inputs, 384),
        "branch3x3_2a": _same(384, 384, (1, 3)),
        "branch3x3_2b": _same(384, 384, (3, 1)),
        "branch3x3dbl_1": _same(inputs, 448),
        "branch3x3dbl_2": _same(448, 384, 3),
        "branch3x3dbl_3a": _same(384, 384, (1, 3)),
        "branch3x3dbl_3b": _same(384, 384, (3, 1)),
        "pool": pool,
        "branch_pool": _same(inputs, 192),
    }
    single = tuple(("branch3x3_1", f"branch3x3_2{end}") for end in "ab")
    double = tuple(("branch3x3dbl_1", "branch3x3dbl_2", f"branch3x3dbl_3{end}") for end in "ab")
    return ParallelPaths(layers, (("branch1x1",), *single, *double, ("pool", "branch_pool")))


def _mean_pool() -> nn.Module:
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def _same(inputs: int, outputs: int, kernel: Kernel = 1) -> ConvNorm:
    """Build a convolution that keeps the size of the map."""
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    return ConvNorm(inputs, outputs, kernel, padding=(sides[0] // 2, sides[1] // 2))

"""The denoiser's U-Net: shapes, zero start, dependence on time and label."""

import pytest
import torch
from torch import Tensor, nn

from equipoise.exceptions import SettingError
from equipoise.networks.denoiser import (
    Attention,
    Denoiser,
    DenoiserDesign,
    ResidualBlock,
    level_sides,
)


def answer(
    network: Denoiser, design: DenoiserDesign, *, level: float = 0.3, label: int = 0
) -> Tensor:
    torch.manual_seed(1)
    images = torch.randn(2, design.channels, design.size, design.size)
    result: Tensor = network(images, torch.full((2,), level), torch.full((2,), label))
    return result


def awake(design: DenoiserDesign) -> Denoiser:
    """Build a denoiser none of whose convolutions is zero."""
    torch.manual_seed(0)
    network = Denoiser(design).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    return network


@pytest.mark.parametrize(
    ("size", "patch", "sides"),
    [
        *((8, 1, (8,)), (8, 2, (4,)), (28, 1, (28, 14, 7)), (28, 2, (14, 7)), (32, 1, (32, 16, 8))),
        *(
            (48, 1, (48, 24, 12, 6)),
            (64, 1, (64, 32, 16, 8)),
            (64, 2, (32, 16, 8)),
            (256, 8, (32, 16, 8)),
        ),
    ],
)
def test_maps_are_halved_until_8_or_less(size: int, patch: int, sides: tuple[int, ...]) -> None:
    assert level_sides(size, patch) == sides


@pytest.mark.parametrize("size", [28, 32, 48, 64, 96, 128, 224])
@pytest.mark.parametrize(("channels", "n_classes"), [(1, 2), (3, 20)])
def test_every_valid_size_keeps_its_shape_and_starts_at_zero(
    size: int, channels: int, n_classes: int
) -> None:
    patch = 1 if size < 64 else 4
    design = DenoiserDesign(
        size=size, channels=channels, n_classes=n_classes, base_channels=4, n_blocks=1, patch=patch
    )
    with torch.no_grad():
        result = answer(Denoiser(design), design, label=n_classes)  # the label "any class"
    assert result.shape == (2, channels, size, size)
    assert not result.any()


def test_level_and_label_matter_and_the_table_ends_with_any_class() -> None:
    design = DenoiserDesign(size=16, channels=1, n_classes=3, base_channels=8)
    network = awake(design)
    with torch.no_grad():
        outputs = [answer(network, design, label=label) for label in range(4)]
        other = answer(network, design, level=0.31)
    assert all(not torch.allclose(outputs[i], outputs[j]) for i in range(4) for j in range(i))
    assert not torch.allclose(outputs[0], other)
    with pytest.raises(IndexError):
        answer(network, design, label=4)


def test_every_parameter_gets_a_gradient() -> None:
    design = DenoiserDesign(size=16, channels=3, n_classes=2, base_channels=8, patch=2)
    network = awake(design)
    torch.autograd.backward(answer(network, design).square().mean())
    assert [
        name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()
    ] == []


def test_two_blocks_a_level_and_attention_at_16_and_8() -> None:
    network = Denoiser(DenoiserDesign(size=64, channels=1, n_classes=2, base_channels=8))
    kinds = [[type(part) for part in level.parts] for level in network.down]  # type: ignore[union-attr]
    assert kinds == [[ResidualBlock] * 2] * 2 + [[ResidualBlock, ResidualBlock, Attention]] * 2
    assert [level.parts[0].conv_1.out_channels for level in network.down] == [8, 16, 16, 32]  # type: ignore


def test_attention_changes_nothing_at_first() -> None:
    maps = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(Attention(8)(maps, maps), maps, rtol=0, atol=0)


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    attention = Attention(8)
    attention.out = nn.Identity()  # type: ignore[assignment]
    maps = torch.randn(2, 8, 4, 4)
    places = attention.query_key_value(attention.norm(maps)).flatten(2).transpose(1, 2)
    expected = nn.functional.scaled_dot_product_attention(*places.chunk(3, dim=2)).transpose(1, 2)
    torch.testing.assert_close(
        attention(maps, maps) - maps, expected.reshape(maps.shape), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(("size", "patch"), [(30, 1), (28, 3), (28, 14), (32, 16)])
def test_sides_that_do_not_fit_are_refused(size: int, patch: int) -> None:
    with pytest.raises(SettingError, match=r"valid side|Resize to 32"):
        level_sides(size, patch)

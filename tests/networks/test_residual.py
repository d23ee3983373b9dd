"""The residual layout of SNGAN (Miyato et al., 2018)."""

import pytest
import torch
from torch import Tensor, nn

from equipoise.networks.design import Design
from equipoise.networks.layouts import build_pair
from equipoise.networks.residual import Residual, SumPool


def blocks(network: nn.Module) -> list[Residual]:
    return [module for module in network.modules() if isinstance(module, Residual)]


def maps(design: Design) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Shapes (c, h, w) behind each block of generator and critic."""
    shapes: tuple[list[tuple[int, ...]], list[tuple[int, ...]]] = ([], [])
    with torch.device("meta"):
        pair = build_pair("residual", design)
        for network, seen in zip(pair, shapes, strict=True):
            for block in blocks(network):
                block.register_forward_hook(
                    lambda _, __, out, seen=seen: seen.append(tuple(out.shape[1:]))
                )
        labels = torch.zeros(2, dtype=torch.long)
        pair[1](pair[0](torch.randn(2, 100), labels), labels)
    return shapes


def test_parameters_of_the_paper_at_32_px() -> None:
    design = Design(size=32, channels=3, latent_size=128, base_channels=64)
    # generator: linear 528,384, three blocks of 1,246,976, last norm and convolution 512 + 6,915
    # critic: blocks of 151,680, 311,680 and twice 295,168, linear 129
    counts = [
        sum(p.numel() for p in network.parameters()) for network in build_pair("residual", design)
    ]
    assert counts == [4_276_739, 1_053_825]


def test_maps_of_the_paper_at_32_px() -> None:
    generator, critic = maps(Design(size=32, channels=1, base_channels=64))
    assert generator == [(256, 8, 8), (256, 16, 16), (256, 32, 32)]
    assert critic == [(128, 16, 16), (128, 8, 8), (128, 8, 8), (128, 8, 8)]


def test_maps_of_the_paper_at_48_px() -> None:
    generator, _ = maps(Design(size=48, channels=1, base_channels=128))
    assert generator == [(256, 12, 12), (128, 24, 24), (64, 48, 48)]


def test_channels_double_to_the_most_at_128_px() -> None:
    generator, critic = maps(Design(size=128, channels=1, base_channels=16, max_channels=128))
    assert [shape[0] for shape in generator] == [128, 64, 32, 16, 8]
    assert critic == [
        (16, 64, 64),
        (32, 32, 32),
        (64, 16, 16),
        (128, 8, 8),
        (128, 4, 4),
        (128, 4, 4),
    ]


def block_of(kind: str) -> Residual:
    design = Design(size=32, channels=3, base_channels=2, critic_norm="none")
    generator, critic = build_pair("residual", design)
    return {"up": blocks(generator)[0], "first": blocks(critic)[0], "down": blocks(critic)[1]}[kind]


@pytest.mark.parametrize("kind", ["up", "first", "down"])
def test_the_shortcut_equals_the_papers_order(kind: str) -> None:
    """The paper convolves the larger map: 1 x 1 convolutions commute with doubling and means."""
    block = block_of(kind)
    before, after = (m for m in block.shortcut)
    assert isinstance(before if kind == "up" else after, nn.Conv2d)
    conv = before if kind == "up" else after
    assert isinstance(conv, nn.Conv2d)
    x = torch.randn(2, conv.in_channels, 8, 8)
    torch.testing.assert_close(block.shortcut(x), before(after(x)))


def test_a_block_adds_what_both_ways_make() -> None:
    block = Residual([nn.Conv2d(3, 5, 1)], [nn.Conv2d(3, 5, 1)])
    x, labels = torch.randn(2, 3, 4, 4), torch.zeros(2, dtype=torch.long)
    main, shortcut = block.main(x, labels), block.shortcut(x)
    torch.testing.assert_close(block(x, labels), main + shortcut)
    assert not torch.allclose(main, main + shortcut)


def test_a_block_leaves_its_input() -> None:
    block = block_of("down")
    x = torch.randn(2, 4, 8, 8)
    before: Tensor = x.clone()
    block(x, torch.zeros(2, dtype=torch.long))
    assert torch.equal(x, before)


def test_the_critic_sums_its_last_map_over_all_places() -> None:
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(SumPool()(x), torch.einsum("bchw->bc", x))
    critic = build_pair("residual", Design(size=32, channels=1, base_channels=2))[1]
    assert any(isinstance(module, SumPool) for module in critic.modules())


def test_the_first_weights_keep_activations_in_scale() -> None:
    torch.manual_seed(0)
    generator, critic = build_pair("residual", Design(size=32, channels=1, base_channels=16))
    labels = torch.zeros(32, dtype=torch.long)
    images = generator(torch.randn(32, 100), labels)
    assert 0.2 < images.std().item() < 0.9
    assert critic(images, labels).abs().max() < 100

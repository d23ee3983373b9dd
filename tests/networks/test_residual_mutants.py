"""What the mutation run found untested in `networks.residual`."""

import torch
from torch import nn

from equipoise.networks.convolutional import build_pair
from equipoise.networks.design import Design
from equipoise.networks.residual import Residual, SumPool


def test_a_block_adds_what_both_ways_make() -> None:
    block = Residual([nn.Conv2d(3, 5, 1)], [nn.Conv2d(3, 5, 1)])
    x, labels = torch.randn(2, 3, 4, 4), torch.zeros(2, dtype=torch.long)
    main, shortcut = block.main(x, labels), block.shortcut(x)
    torch.testing.assert_close(block(x, labels), main + shortcut)
    assert not torch.allclose(main, main + shortcut)


def test_the_critic_sums_its_last_map_over_all_places() -> None:
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(SumPool()(x), torch.einsum("bchw->bc", x))
    critic = build_pair("residual", Design(size=32, channels=1, base_channels=2))[1]
    assert any(isinstance(module, SumPool) for module in critic.modules())

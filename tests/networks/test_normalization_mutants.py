"""What the mutation run found untested in `networks.normalization`."""

import torch

from equipoise.networks.normalization import NORMS


def test_layer_norm_keeps_the_differences_between_the_channels_of_an_image() -> None:
    """Channels that are 0, 1, 2, 3 everywhere: normalized one by one, as instance norm does, all would be 0."""
    x = torch.arange(4.0)[None, :, None, None].expand(2, 4, 5, 5)
    expected = (x - 1.5) / 1.25**0.5
    torch.testing.assert_close(NORMS["layer"](4)[0](x), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(NORMS["instance"](4)[0](x), torch.zeros_like(x), atol=1e-3, rtol=0)

import torch
from torch import nn

from equipoise.networks.backbones import build
from equipoise.networks.folding import fold_batch_norms


def test_a_network_with_folded_batch_norms_computes_the_same() -> None:
    torch.manual_seed(0)
    network = build("mobilenet_v2", channels=1, n_classes=3, side=32)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for name, tensor in module.state_dict().items():
                if tensor.is_floating_point():  # variances and factors must be positive
                    nn.init.uniform_(tensor, 0.5, 2.0 if name != "bias" else 1.0)
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        expected = network.eval()(images)
        fold_batch_norms(network)
        torch.testing.assert_close(network(images), expected, atol=1e-4, rtol=1e-3)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())

"""The residual network of the long-tail papers, of a size that two cores can train.

Source: He et al. (2016), section 4.2: a convolution, three groups of n blocks, global average pool,
linear layer; identity shortcuts, where maps are halved and channels padded with zeros (option A).
Cao et al. (2019) have n = 5 with 16, 32 and 64 channels (ResNet-32). Difference: n = 2 and half of
the channels. Weights are He-normal (the authors of LDAM: Kaiming-normal).
"""

from torch import Tensor, nn
from torch.nn.functional import pad, relu

from equipoise.networks.backbone import Backbone

BLOCKS = 2  # of each group
WIDTHS = (8, 16, 32)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm and a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.n_new = n_out - n_in
        self.first = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(n_out)
        self.second = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(n_out)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (b, n_in, h, w) to (b, n_out, h / stride, w / stride)."""
        outputs = relu(self.first_norm(self.first(maps)))
        outputs = self.second_norm(self.second(outputs))
        shortcut = maps[:, :, :: self.stride, :: self.stride]
        return relu(outputs + pad(shortcut, (0, 0, 0, 0, 0, self.n_new)))


def small_resnet(channels: int, n_classes: int, side: int) -> nn.Sequential:
    """Build the network for images of about 16 to 64 px; `side` changes nothing."""
    del side
    layers: list[nn.Module] = [
        nn.Conv2d(channels, WIDTHS[0], 3, padding=1, bias=False),
        nn.BatchNorm2d(WIDTHS[0]),
        nn.ReLU(),
    ]
    n_in = WIDTHS[0]
    for i, width in enumerate(WIDTHS):
        for j in range(BLOCKS):
            layers.append(ResidualBlock(n_in, width, stride=2 if i > 0 and j == 0 else 1))
            n_in = width
    network = nn.Sequential()
    network.add_module("trunk", nn.Sequential(*layers))
    network.add_module("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    network.add_module("head", nn.Linear(n_in, n_classes))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return network


SMALL_RESNET = Backbone(
    name="studies.small_resnet:SMALL_RESNET",
    summary="ResNet-14 with 8, 16 and 32 channels.",
    source="He et al. (2016), section 4.2",
    build=small_resnet,
    trunk=lambda network: network.get_submodule("trunk"),
    head="head",
    last_map="trunk",
)

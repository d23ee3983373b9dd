"""A CNN of four convolutions for images of about 32 px."""

from torch import nn

from equipoise.networks.backbone import Backbone
from equipoise.networks.dropout import ByteDropout
from equipoise.networks.initialization import keras

THIRD_POOL_SIDE = 20  # px; below it a third pool would leave no pixel
POOLING = 14  # number of the average pool, which ends the trunk


def small_cnn(channels: int, n_classes: int, side: int) -> nn.Sequential:
    """Build the skin-lesion CNN: maps of 32, 16, 15, 8, 7, 3, 2 px for 32 px, then a linear layer.

    Source: Mukhedkar and Kim (paper S4 in docs/methods.md), 108,225 parameters for three channels
    and one output. Only this mixture of paddings gives their printed shapes: the second pool rounds
    up, the third down. Differences: dropout rates 0.25 and 0.5 (theirs are unstated), k logits
    instead of one, the last map averaged to 2 x 2 for sides other than 32, no third pool below
    20 px. Weights are Glorot-uniform and biases 0, as in Keras.

    Args:
        channels: Input channels.
        n_classes: Outputs (logits).
        side: Smaller side of the images in px, at least 12.
    """
    third_pool = nn.MaxPool2d(2) if side >= THIRD_POOL_SIDE else nn.Identity()
    first = [nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), ByteDropout(0.25)]
    second_pool = nn.MaxPool2d(2, ceil_mode=True)
    second = [nn.Conv2d(32, 64, 2), nn.ReLU(), second_pool, ByteDropout(0.25)]
    third = [nn.Conv2d(64, 128, 2), nn.ReLU(), third_pool, ByteDropout(0.25)]
    fourth = [nn.Conv2d(128, 128, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), ByteDropout(0.5)]
    head = [nn.Flatten(), nn.Linear(512, n_classes)]
    return nn.Sequential(*first, *second, *third, *fourth, *head).apply(keras)


def _trunk(network: nn.Module) -> nn.Module:
    """Return the layers before the average pool, under their names."""
    layers = list(network.children())
    return nn.Sequential(*layers[:POOLING])


BACKBONES = (
    Backbone(
        name="small_cnn",
        summary="Four convolutions for images of about 32 px; trains in seconds.",
        source="Mukhedkar and Kim (paper S4)",
        build=small_cnn,
        trunk=_trunk,
        head="17",
        last_map="13",
        bfloat16=True,
    ),
)

"""The small classifier of paper S4."""

from torch import nn

from equipoise.networks.initialization import keras


def small_cnn(channels: int, n_classes: int, side: int) -> nn.Sequential:
    """Build the skin-lesion CNN: maps of side 32, 16, 15, 8, 7, 3, 2 for 32 px, then one dense layer.

    Args:
        channels: Input channels.
        n_classes: Outputs (logits).
        side: Smaller side of the images in px, at least 12.

    Source: methods 5 (paper S4), 108,225 parameters for three channels and one output. The mixture of paddings
    (second pool rounds up, third down) is the only one that gives the printed shapes. Ours: dropout 0.25 and
    0.5 (rates unstated), K logits in place of one, the last map averaged to 2x2 for sides other than 32, no
    third pool below 20 px, where nothing would be left. Glorot weights, zero biases as in Keras (methods 1.5).
    """
    network = nn.Sequential(
        *(nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Conv2d(32, 64, 2), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True), nn.Dropout(0.25)),
        *(nn.Conv2d(64, 128, 2), nn.ReLU(), nn.MaxPool2d(2) if side >= 20 else nn.Identity(), nn.Dropout(0.25)),
        *(nn.Conv2d(128, 128, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Dropout(0.5)),
        nn.Flatten(),
        nn.Linear(512, n_classes),
    )
    return network.apply(keras)

"""Initial weights of the networks."""

import math
from collections.abc import Callable, Mapping

from torch import nn

from equipoise.discovery import Family

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def dcgan(module: nn.Module) -> None:
    """Draw convolutions from N(0, 0.02) and batch norm weights from N(1, 0.02); biases are 0.

    Embeddings and linear layers keep PyTorch's initial weights: label planes then vary as much as
    the image beside them.

    Source: Radford et al. (2016). The code of Sharma et al. (paper S1) draws batch norm weights
    around 0 instead of 1, by mistake.
    """
    if isinstance(module, CONVOLUTIONS):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def keras(module: nn.Module) -> None:
    """Draw weights as Keras does: Glorot-uniform, biases 0, embeddings from U(-0.05, 0.05)."""
    if isinstance(module, (nn.Linear, *CONVOLUTIONS)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.uniform_(module.weight, -0.05, 0.05)


def xavier(module: nn.Module) -> None:
    """Draw Glorot-uniform weights, times sqrt 2 in convolutions larger than 1 x 1; biases are 0.

    Embeddings keep PyTorch's initial weights.

    Source: the code of Miyato et al. (2018): gain sqrt 2 in the main path of a residual block, 1 in
    its shortcut. Difference: the generator's last convolution has the larger gain, too.
    """
    if isinstance(module, (nn.Linear, *CONVOLUTIONS)):
        large = isinstance(module, CONVOLUTIONS) and module.kernel_size != (1, 1)
        nn.init.xavier_uniform_(module.weight, math.sqrt(2.0) if large else 1.0)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


INITIALIZATIONS: Mapping[str, Callable[[nn.Module], None]] = {
    "dcgan": dcgan,
    "keras": keras,
    "xavier": xavier,
}
FAMILY = Family(
    name="initializations",
    summary="Initial weights of a GAN.",
    members=INITIALIZATIONS,
)

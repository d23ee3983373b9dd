"""First weights of the networks (methods 1.5)."""

from collections.abc import Callable, Mapping

from torch import nn

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def dcgan(module: nn.Module) -> None:
    """Draw convolutions from N(0, 0.02) and batch norm weights from N(1, 0.02); biases 0.

    Embeddings and linear layers keep PyTorch's start: label planes then vary as much as the image that they
    are laid beside. Differs from the code of paper S1, which draws batch norm weights around 0 (erratum 14).
    """
    if isinstance(module, CONVOLUTIONS):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def keras(module: nn.Module) -> None:
    """Do as Keras does: Glorot-uniform weights, biases 0, embeddings from U(-0.05, 0.05)."""
    if isinstance(module, (nn.Linear, *CONVOLUTIONS)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.uniform_(module.weight, -0.05, 0.05)


INITIALIZATIONS: Mapping[str, Callable[[nn.Module], None]] = {"dcgan": dcgan, "keras": keras}

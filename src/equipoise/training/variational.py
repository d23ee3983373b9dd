"""The loss of a variational autoencoder, one update by it, and signs of an unused latent space."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

VARIANCE = 0.01  # of the fixed-variance reconstruction, for images in [0, 1]
ROUNDING = 1 / (12 * 255**2)  # variance of 8-bit rounding; keeps the logarithm finite at error 0
ACTIVE_ABOVE = 0.01  # variance of a latent cell's mean over images

Reconstruction = Callable[[Tensor, Tensor], Tensor]  # logits and images (b, c, h, w) -> scalar


class VariationalNetwork(Protocol):
    """A network that encodes an image as a normal distribution."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to mean and log variance."""

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents to logits of images."""


def sigma_vae(logits: Tensor, images: Tensor) -> Tensor:
    """Return the negative log likelihood of a Gaussian with the best variance shared by all pixels.

    It is (D / 2) log(mean squared error), up to a constant, with D the number of values of an
    image. It needs no weight between reconstruction and divergence.

    Source: Rybkin et al. (2021), arXiv 2006.13202, optimal sigma-VAE. Ours: the variance of 8-bit
    rounding is added to the error.
    """
    error = functional.mse_loss(torch.sigmoid(logits), images)
    return images[0].numel() / 2 * torch.log(error + ROUNDING)


def mse(logits: Tensor, images: Tensor) -> Tensor:
    """Return the negative log likelihood of a Gaussian of variance 0.01: squared error / 0.02."""
    return functional.mse_loss(torch.sigmoid(logits), images) * images[0].numel() / (2 * VARIANCE)


def bce(logits: Tensor, images: Tensor) -> Tensor:
    """Return the binary cross-entropy, summed over the values of an image."""
    return functional.binary_cross_entropy_with_logits(logits, images) * images[0].numel()


RECONSTRUCTIONS: dict[str, Reconstruction] = {"sigma_vae": sigma_vae, "mse": mse, "bce": bce}


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the divergence of N(mean, exp(log_variance)) from N(0, 1), cell by cell.

    Source: Kingma & Welling (2014), arXiv 1312.6114, Appendix B.

    Example:
        >>> round(float(kl_divergence(torch.tensor(2.0), torch.tensor(-1.0))), 6)
        2.18394
    """
    return 0.5 * (mean**2 + log_variance.exp() - 1.0 - log_variance)


def draw(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Draw from N(mean, exp(log_variance)) so that the gradient passes."""
    return mean + (log_variance / 2).exp() * torch.randn_like(mean)


def active_cells(means: Tensor) -> float:
    """Return the share of latent cells whose mean (n, ...) has a variance above 0.01."""
    return float((means.flatten(1).var(dim=0) > ACTIVE_ABOVE).float().mean())


@dataclass(kw_only=True)
class VariationalStep:
    """Descend reconstruction + beta * divergence, both summed over an image, by one step.

    It counts its steps because beta grows from 0 to its value over the first `warmup` of them. It
    is `Stateful`: put it into the checkpoint's parts.

    Attributes:
        network: Encodes and decodes.
        optimizer: Of its parameters.
        schedule: Its learning rate, stepped with it.
        reconstruction: One of `RECONSTRUCTIONS`.
        beta: Weight of the divergence; 1 is the evidence bound.
        warmup: Steps until beta has its value.
        autocast: Returns the context of the network's passes; the loss is in float32.
        done: Steps so far.
    """

    network: VariationalNetwork
    optimizer: Optimizer
    reconstruction: Reconstruction
    schedule: LRScheduler | None = None
    beta: float = 1.0
    warmup: int = 0
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext
    done: int = 0

    def __call__(self, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Update by images (b, c, h, w) in [0, 1]; labels are ignored."""
        self.optimizer.zero_grad(set_to_none=True)
        logits, mean, log_variance = self._pass(images)
        reconstruction = self.reconstruction(logits, images)
        cells = kl_divergence(mean, log_variance)
        loss = reconstruction + self._weight() * cells.sum() / len(images)
        torch.autograd.backward(loss)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        self.done += 1
        return {
            "loss": loss.detach(),
            "reconstruction": reconstruction.detach(),
            "kl_per_cell": cells.detach().mean(),
        }

    def state_dict(self) -> dict[str, int]:
        """Return the number of steps; network, optimizer and schedule are stored separately."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore the number of steps."""
        self.done = int(state["done"])

    def _pass(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with self.autocast():
            mean, log_variance = (part.float() for part in self.network.encode(images))
            logits = self.network.decode(draw(mean, log_variance)).float()
        return logits, mean, log_variance

    def _weight(self) -> float:
        return self.beta * min(1.0, self.done / self.warmup) if self.warmup else self.beta


def root_mean_square(logits: Tensor, images: Tensor) -> float:
    """Return the error of reconstructions in the unit of the images, [0, 1]."""
    return math.sqrt(float(functional.mse_loss(torch.sigmoid(logits), images)))

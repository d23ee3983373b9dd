"""The loss of a variational autoencoder (methods 3.2), one update by it, and signs of a latent not used."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

VARIANCE = 0.01  # of the fixed-variance reconstruction, for images in [0, 1]
ROUNDING = 1 / (
    12 * 255**2
)  # variance of rounding to 8 bits; keeps the logarithm finite for images all alike
ACTIVE_ABOVE = 0.01  # variance of a latent cell's mean over images

Reconstruction = Callable[[Tensor, Tensor], Tensor]  # logits and images (b, c, h, w) -> scalar


class Autoencoder(Protocol):
    """A network with a normal distribution in the middle."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to mean and log variance."""

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents to logits of images."""


def sigma_vae(logits: Tensor, images: Tensor) -> Tensor:
    """Gaussian with the best variance shared by all pixels: (D / 2) log(mean squared error), up to a constant.

    It needs no weight between reconstruction and latent. D is the number of values of an image; the variance of
    8-bit rounding is added to the error.
    """
    error = functional.mse_loss(torch.sigmoid(logits), images)
    return images[0].numel() / 2 * torch.log(error + ROUNDING)


def mse(logits: Tensor, images: Tensor) -> Tensor:
    """Gaussian of fixed variance 0.01: summed squared error / 0.02, up to a constant."""
    return functional.mse_loss(torch.sigmoid(logits), images) * images[0].numel() / (2 * VARIANCE)


def bce(logits: Tensor, images: Tensor) -> Tensor:
    """Binary cross-entropy, summed over the values of an image."""
    return functional.binary_cross_entropy_with_logits(logits, images) * images[0].numel()


RECONSTRUCTIONS: dict[str, Reconstruction] = {"sigma_vae": sigma_vae, "mse": mse, "bce": bce}


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of N(mean, exp(log_variance)) from N(0, 1), cell by cell.

    >>> round(float(kl_divergence(torch.tensor(2.0), torch.tensor(-1.0))), 6)
    2.18394
    """
    return 0.5 * (mean**2 + log_variance.exp() - 1.0 - log_variance)


def draw(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Draw from N(mean, exp(log_variance)) so that the gradient passes; chance is torch's."""
    return mean + (log_variance / 2).exp() * torch.randn_like(mean)


def active_cells(means: Tensor) -> float:
    """Share of latent cells whose mean (n, ...) has a variance above 0.01; 0 is a collapsed posterior."""
    return float((means.flatten(1).var(dim=0) > ACTIVE_ABOVE).float().mean())


@dataclass(kw_only=True)
class VariationalStep:
    """Descends reconstruction + beta * divergence, both summed over an image, by one step.

    It counts its steps because beta grows from 0 to its value over the first `warmup` of them. It is `Stateful`:
    put it into the checkpoint's parts.

    Attributes:
        network: Encodes and decodes.
        optimizer: Of its parameters.
        schedule: Its learning rate, stepped with it.
        reconstruction: One of `RECONSTRUCTIONS`.
        beta: Weight of the divergence; 1 is the evidence bound.
        warmup: Steps until beta has its value.
        autocast: Gives the context of the network's passes; the loss is in float32.
        done: Steps so far.
    """

    network: Autoencoder
    optimizer: Optimizer
    reconstruction: Reconstruction
    schedule: LRScheduler | None = None
    beta: float = 1.0
    warmup: int = 0
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext
    done: int = 0

    def __call__(self, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Update by images (b, c, h, w) in [0, 1]; labels are not looked at."""
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

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps; network, optimizer and schedule are parts of their own."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the number of steps."""
        self.done = int(state["done"])

    def _pass(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with self.autocast():
            mean, log_variance = (part.float() for part in self.network.encode(images))
            logits = self.network.decode(draw(mean, log_variance)).float()
        return logits, mean, log_variance

    def _weight(self) -> float:
        return self.beta * min(1.0, self.done / self.warmup) if self.warmup else self.beta


def root_mean_square(logits: Tensor, images: Tensor) -> float:
    """Error of reconstructions in the unit of the images, [0, 1]."""
    return math.sqrt(float(functional.mse_loss(torch.sigmoid(logits), images)))

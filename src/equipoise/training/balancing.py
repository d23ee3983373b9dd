"""One step of the original BAGAN: the critic predicts the class, or "generated"."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from equipoise.training.diffaugment import Transform, unchanged
from equipoise.training.ranges import SYMMETRIC, DataRange


class ClassifyingCritic(Protocol):
    """A critic with one output per class and one for "generated"."""

    def logits(self, images: Tensor) -> Tensor:
        """Map (b, c, s, s) to (b, k + 1); the last logit is that of "generated"."""

    def realness(self, logits: Tensor) -> Tensor:
        """Map (b, k + 1) to the logit of "not generated" (b,)."""

    def requires_grad_(self, requires_grad: bool) -> nn.Module:
        """Set whether its weights collect gradients."""


@dataclass(kw_only=True)
class BalancingStep:
    """Updates critic and generator once each on a batch of b real images of k classes.

    The critic learns to predict the class of real images, and "generated" for ceil(b / k) fakes:
    about as many as there are real images of one class. The generator then draws ceil(b / k) + b
    fakes, for which the critic should predict the requested class. Labels of fakes are drawn
    uniformly and independently.

    Attributes:
        generator: (latent, labels) -> images in [-1, 1].
        critic: Images -> k + 1 logits.
        generator_optimizer: Updates the generator.
        critic_optimizer: Updates the critic.
        n_classes: k.
        latent_size: Length of the latent, which is drawn from N(0, I).
        data_range: Range to which real images are brought for the critic.
        augment: Applied to all inputs of the critic; differentiable.
        autocast: Returns the context in which the networks run; losses are always float32.

    Source: Mariani et al. (2018), arXiv 1803.09655, and its code with ratios "uniform".
    """

    generator: nn.Module
    critic: ClassifyingCritic
    generator_optimizer: Optimizer
    critic_optimizer: Optimizer
    n_classes: int
    latent_size: int
    data_range: DataRange = SYMMETRIC
    augment: Transform = unchanged
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext

    def __call__(self, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Update both networks on images (b, c, s, s) in [0, 1] and labels (b,).

        Returns:
            critic_loss and generator_loss (cross-entropies), and real_score and fake_score: mean
            logits of "not generated" in the critic's update. They stay on the device.
        """
        n_fakes = ceil(len(images) / self.n_classes)
        scores, critic_loss = self._update_critic(self.data_range.into(images), labels, n_fakes)
        generator_loss = self._update_generator(n_fakes + len(images))
        return {
            "critic_loss": critic_loss.detach(),
            "generator_loss": generator_loss.detach(),
            "real_score": scores[: len(images)].mean(),
            "fake_score": scores[len(images) :].mean(),
        }

    def _update_critic(self, images: Tensor, labels: Tensor, n_fakes: int) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            fakes = self._fakes(n_fakes)[0]
        logits = self._logits(torch.cat([images, fakes]))
        generated = labels.new_full((n_fakes,), self.n_classes)
        loss = cross_entropy(logits, torch.cat([labels, generated]))
        _descend(self.critic_optimizer, loss)
        return self.critic.realness(logits.detach()), loss

    def _update_generator(self, n: int) -> Tensor:
        self.critic.requires_grad_(False)  # its weights must collect no gradient here
        fakes, labels = self._fakes(n)
        loss = cross_entropy(self._logits(fakes), labels)
        _descend(self.generator_optimizer, loss)
        self.critic.requires_grad_(True)
        return loss

    def _logits(self, images: Tensor) -> Tensor:
        with self.autocast():
            logits = self.critic.logits(self.augment(images))
        return logits.float()

    def _fakes(self, n: int) -> tuple[Tensor, Tensor]:
        latent, labels = self.draw(n)
        with self.autocast():
            images: Tensor = self.generator(latent, labels)
        return images.float(), labels

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """Draw latents (n, latent_size) and labels (n,) of n fakes."""
        device = next(self.generator.parameters()).device
        latent = torch.randn(n, self.latent_size, device=device)
        return latent, torch.randint(self.n_classes, (n,), device=device)


def _descend(optimizer: Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()

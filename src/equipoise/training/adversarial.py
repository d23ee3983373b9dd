"""One round of an adversarial game: an update of the critic, then one of the generator (methods A.2)."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from equipoise.training.diffaugment import Transform, unchanged
from equipoise.training.objectives import Objective


@dataclass(kw_only=True)
class AdversarialStep:
    """Updates critic and generator once each on a batch of real images.

    Real and fake images pass the critic separately (batch norm sees one kind at a time), both through `augment`.
    Fakes are made anew for the generator's update, and the labels of all fakes are drawn from
    `label_probabilities`, whatever the labels of the real images (methods A.4, but see `draw`).

    Attributes:
        generator: (latent, labels) -> images in [-1, 1].
        critic: (images, labels) -> raw scores (b,).
        generator_optimizer: Updates the generator.
        critic_optimizer: Updates the critic.
        objective: The game.
        latent_size: Length of the latent, which is drawn from N(0, I).
        label_probabilities: (k,) on the device; how often a fake has each label.
        augment: Applied to all that the critic sees; differentiable.
        autocast: Gives the context in which the networks run; losses are always float32.
    """

    generator: nn.Module
    critic: nn.Module
    generator_optimizer: Optimizer
    critic_optimizer: Optimizer
    objective: Objective
    latent_size: int
    label_probabilities: Tensor
    augment: Transform = unchanged
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext

    def __call__(self, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Play one round on images (b, c, s, s) in [0, 1] and labels (b,).

        Returns:
            critic_loss and generator_loss, and real_score and fake_score: mean raw scores in the critic's update.
            They stay on the device.
        """
        real, fake, critic_loss = self._update_critic(images * 2 - 1, labels)
        generator_loss = self._update_generator(len(images))
        return {
            "critic_loss": critic_loss.detach(),
            "generator_loss": generator_loss.detach(),
            "real_score": real.detach().mean(),
            "fake_score": fake.detach().mean(),
        }

    def _update_critic(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.no_grad():
            fakes, fake_labels = self._fakes(len(images))
        real, fake = self._scores(images, labels), self._scores(fakes, fake_labels)
        loss = self.objective.critic_loss(real, fake)
        _descend(self.critic_optimizer, loss)
        return real, fake, loss

    def _update_generator(self, n: int) -> Tensor:
        self.critic.requires_grad_(False)  # its weights need no gradient here, and must collect none
        loss = self.objective.generator_loss(self._scores(*self._fakes(n)))
        _descend(self.generator_optimizer, loss)
        self.critic.requires_grad_(True)
        return loss

    def _scores(self, images: Tensor, labels: Tensor) -> Tensor:
        with self.autocast():
            scores: Tensor = self.critic(self.augment(images), labels)
        return scores.float()

    def _fakes(self, n: int) -> tuple[Tensor, Tensor]:
        latent, labels = self.draw(n)
        with self.autocast():
            images: Tensor = self.generator(latent, labels)
        return images.float(), labels

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """Draw latents (n, latent_size) and labels (n,) of n fakes.

        Labels are drawn systematically: each has its probability in every place, and its number in the batch is
        right up to rounding. Independent draws would vary from batch to batch, which batch norm lets the critic
        see: it would tell fake batches by their mix of labels instead of by their images.
        """
        device = self.label_probabilities.device
        edges = self.label_probabilities.cumsum(0) / self.label_probabilities.sum()
        places = (torch.randperm(n, device=device) + torch.rand((), device=device)) / n
        labels = torch.searchsorted(edges, places.clamp(max=1 - 1e-6), right=True)
        return torch.randn(n, self.latent_size, device=device), labels


def _descend(optimizer: Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()

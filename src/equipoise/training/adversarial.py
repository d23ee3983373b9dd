"""One round of an adversarial game: updates of the critic, then one of the generator (methods A.2)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from equipoise.training.diffaugment import Transform, unchanged
from equipoise.training.objectives import Objective
from equipoise.training.ranges import SYMMETRIC, DataRange
from equipoise.training.regularizers import CriticBatch, Regularizer


@dataclass(kw_only=True)
class AdversarialStep:
    """Updates the critic a few times and the generator once on real images.

    Real and fake images pass the critic separately (batch norm sees one kind at a time), both through `augment`.
    Fakes are made anew for every update, and the labels of all fakes are drawn from `label_probabilities`, whatever
    the labels of the real images (methods A.4, but see `draw`). It is `Stateful`: put it into the checkpoint's
    parts, as lazy regularizers count the critic's updates.

    Attributes:
        generator: (latent, labels) -> images in [-1, 1].
        critic: (images, labels) -> raw scores (b,).
        generator_optimizer: Updates the generator.
        critic_optimizer: Updates the critic.
        objective: The game.
        latent_size: Length of the latent, which is drawn from N(0, I).
        label_probabilities: (k,) on the device; how often a fake has each label.
        data_range: What real images are brought to before the critic.
        augment: Applied to all that the critic sees; differentiable.
        observe: Shown the scores (b,) of the real images of every critic update.
        regularizers: Further terms of the critic's loss. One that is lazy has an update of its own.
        critic_steps: Updates of the critic, each on new fakes.
        reuse_batch: Whether all of them are on the same real images (BAGAN-GP); else the batch is cut into
            `critic_steps` parts.
        critic_loss_scale: Factor of the objective's critic loss (paper S1's code: 0.5).
        clip: Bound of every parameter of the critic after its updates (WGAN); None for no bound.
        autocast: Gives the context in which the networks run; losses are always float32.
    """

    generator: nn.Module
    critic: nn.Module
    generator_optimizer: Optimizer
    critic_optimizer: Optimizer
    objective: Objective
    latent_size: int
    label_probabilities: Tensor
    data_range: DataRange = SYMMETRIC
    augment: Transform = unchanged
    observe: Callable[[Tensor], None] | None = None
    regularizers: tuple[Regularizer, ...] = ()
    critic_steps: int = 1
    reuse_batch: bool = False
    critic_loss_scale: float = 1.0
    clip: float | None = None
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext
    critic_updates: int = 0

    def __call__(self, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Play one round on images (b, c, s, s) in [0, 1] and labels (b,).

        Returns:
            Means over the critic's updates of critic_loss (the objective's, unscaled), real_score and fake_score
            (mean raw scores) and each regularizer's value under its name, 0 where a lazy one rests; and
            generator_loss. They stay on the device.
        """
        parts = list(self._parts(self.data_range.into(images), labels))
        rows = [self._update_critic(*part) for part in parts]
        generator_loss = self._update_generator(len(parts[0][0]))
        means = {name: torch.stack([row[name] for row in rows]).mean() for name in rows[0]}
        return {**means, "generator_loss": generator_loss.detach()}

    def _parts(self, images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Give the real images of each critic update."""
        if self.reuse_batch:
            return iter([(images, labels)] * self.critic_steps)
        return zip(images.chunk(self.critic_steps), labels.chunk(self.critic_steps), strict=True)

    def _update_critic(self, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        batch = self._critic_batch(images, labels)
        real, fake = self._scores(batch.real, labels), self._scores(batch.fake, batch.fake_labels)
        loss = self.objective.critic_loss(real, fake)
        terms = {r.name: r(self.critic, batch) for r in self.regularizers if r.every == 1}
        _descend(self.critic_optimizer, sum(terms.values(), self.critic_loss_scale * loss))
        terms |= {r.name: self._lazily(r, batch) for r in self.regularizers if r.every > 1}
        self._clip()
        self.critic_updates += 1
        if self.observe is not None:
            self.observe(real.detach())
        scalars = {
            "critic_loss": loss,
            "real_score": real.mean(),
            "fake_score": fake.mean(),
            **terms,
        }
        return {name: value.detach() for name, value in scalars.items()}

    def _lazily(self, regularizer: Regularizer, batch: CriticBatch) -> Tensor:
        """Use a lazy regularizer where due, as strongly as all the uses that it stands for."""
        if self.critic_updates % regularizer.every:
            return batch.real.new_zeros(())
        term = regularizer.every * regularizer(self.critic, batch)
        _descend(self.critic_optimizer, term)
        return term

    @torch.no_grad()
    def _clip(self) -> None:
        if self.clip is not None:
            for parameter in self.critic.parameters():
                parameter.clamp_(-self.clip, self.clip)

    def _update_generator(self, n: int) -> Tensor:
        self.critic.requires_grad_(
            False
        )  # its weights need no gradient here, and must collect none
        images, labels = self._fakes(n)
        loss = self.objective.generator_loss(self._scores(self.augment(images), labels))
        _descend(self.generator_optimizer, loss)
        self.critic.requires_grad_(True)
        return loss

    @torch.no_grad()
    def _critic_batch(self, images: Tensor, labels: Tensor) -> CriticBatch:
        fakes, fake_labels = self._fakes(len(images))
        return CriticBatch(
            real=self.augment(images),
            labels=labels,
            fake=self.augment(fakes),
            fake_labels=fake_labels,
            n_classes=len(self.label_probabilities),
        )

    def _scores(self, images: Tensor, labels: Tensor) -> Tensor:
        with self.autocast():
            scores: Tensor = self.critic(images, labels)
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

    def state_dict(self) -> dict[str, int]:
        """Return what the step counts; networks and optimizers are parts of their own."""
        return {"critic_updates": self.critic_updates}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Take over a state."""
        self.critic_updates = state["critic_updates"]


def _descend(optimizer: Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()

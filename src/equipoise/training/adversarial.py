"""The rules of an adversarial game, and one round of it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from equipoise.training.diffaugment import Transform, unchanged
from equipoise.training.objectives import OBJECTIVES, Objective
from equipoise.training.ranges import DATA_RANGES, DataRange
from equipoise.training.regularizers import (
    CriticBatch,
    CriticRegularizer,
    GeneratorBatch,
    GeneratorRegularizer,
    Regularizer,
    check_regularizers,
)


@dataclass(frozen=True, kw_only=True)
class Game:
    """What critic and generator minimize, how often the critic moves, and what it sees.

    Attributes:
        objective: "non_saturating", "least_squares", "hinge", "wasserstein" or "minimax"; see
            `OBJECTIVES`.
        regularizers: Further terms of either network's loss: names in `REGULARIZERS`, such as
            "gradient_penalty"; or objects, as `GradientPenalty(weight=5)`; or settings, as {"name":
            "gradient_penalty", "weight": 5}. They are kept as objects.
        critic_steps: Updates of the critic for one of the generator, each on new fakes.
        reuse_batch: Whether all of them are on the same real images (BAGAN-GP); else each is on its
            own.
        critic_loss_scale: Factor of the objective's critic loss (paper S1's code: 0.5).
        clip: Bound of the absolute value of every parameter of the critic (WGAN: 0.01); None for no
            bound.
        data_range: "symmetric", or "unit" to reproduce paper S2; see `DATA_RANGES`.
        diffaugment: What real and fake images undergo before the critic, for example
            "translation,cutout"; "color" too where colors carry no meaning.
        ada: The same, but as often as the critic's certainty requires: names in
            `adaptive_augmentation.TRANSFORMS`; its DEFAULT is
            "translation,scale,stretch,shift,brightness,contrast".

    Raises:
        SettingError: A regularizer is unknown or listed twice.

    Example:
        >>> game = Game(objective="wasserstein", regularizers=("gradient_penalty",), critic_steps=5)
        >>> game.regularizers
        (GradientPenalty(every=1, weight=10.0, interpolation='uniform'),)
    """

    objective: str = "non_saturating"
    regularizers: tuple[Regularizer, ...] = ()
    critic_steps: int = 1
    reuse_batch: bool = False
    critic_loss_scale: float = 1.0
    clip: float | None = None
    data_range: str = "symmetric"
    diffaugment: str = ""
    ada: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "regularizers", check_regularizers(self.regularizers))

    @property
    def critic_regularizers(self) -> tuple[CriticRegularizer, ...]:
        """The terms of the critic's loss."""
        return tuple(r for r in self.regularizers if isinstance(r, CriticRegularizer))

    @property
    def generator_regularizers(self) -> tuple[GeneratorRegularizer, ...]:
        """The terms of the generator's loss."""
        return tuple(r for r in self.regularizers if isinstance(r, GeneratorRegularizer))


@dataclass(kw_only=True)
class AdversarialStep:
    """Update the critic a few times and the generator once on real images.

    Real and fake images pass the critic separately (batch norm sees one kind at a time), both
    through `augment`. New fakes are generated for every update, and the labels of all fakes are
    drawn from `label_probabilities`, whatever the labels of the real images. It is `Stateful`: put
    it into the checkpoint's parts, because lazy regularizers count the updates.

    Attributes:
        generator: (latent, labels) -> images in [-1, 1].
        critic: (images, labels) -> raw scores (b,).
        generator_optimizer: Updates the generator.
        critic_optimizer: Updates the critic.
        game: The rules.
        latent_size: Length of the latent, which is drawn from N(0, I).
        label_probabilities: (k,) on the device; how often a fake has each label.
        augment: Applied to all that the critic sees; differentiable.
        observe: Called with the scores (b,) of the real images of every critic update.
        autocast: Returns the context in which the networks run; losses are always float32.
        critic_updates: Updates of the critic so far.
        generator_updates: Updates of the generator so far.

    Source: Goodfellow et al. (2014), arXiv 1406.2661, Algorithm 1, with the terms of `game`.
    Differs in drawing the labels of a batch of fakes systematically; see `draw`.
    """

    generator: nn.Module
    critic: nn.Module
    generator_optimizer: Optimizer
    critic_optimizer: Optimizer
    game: Game
    latent_size: int
    label_probabilities: Tensor
    augment: Transform = unchanged
    observe: Callable[[Tensor], None] | None = None
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext
    critic_updates: int = 0
    generator_updates: int = 0

    @property
    def objective(self) -> Objective:
        """The two losses of the game."""
        return OBJECTIVES[self.game.objective]

    @property
    def data_range(self) -> DataRange:
        """The range to which real images are mapped before the critic."""
        return DATA_RANGES[self.game.data_range]

    def __call__(self, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Play one round on images (b, c, s, s) in [0, 1] and labels (b,).

        Without `reuse_batch`, the images are split into `critic_steps` equal parts, one for each
        critic update.

        Returns:
            Means over the critic's updates of critic_loss (the objective's, unscaled), real_score
            and fake_score (mean raw scores) and each of its regularizers under its name, 0 where a
            lazy one rests; generator_loss and the generator's regularizers. They stay on the
            device.
        """
        images = self.data_range.into(images)
        n = self.game.critic_steps
        image_parts = (images,) * n if self.game.reuse_batch else images.chunk(n)
        label_parts = (labels,) * n if self.game.reuse_batch else labels.chunk(n)
        rows = []
        for image_part, label_part in zip(image_parts, label_parts, strict=True):
            rows.append(self._update_critic(image_part, label_part))
        scalars = {name: torch.stack([row[name] for row in rows]).mean() for name in rows[0]}
        return {**scalars, **self._update_generator(len(image_parts[0]))}

    def _update_critic(self, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        batch = self._critic_batch(images, labels)
        real = self._scores(batch.real, labels)
        fake = self._scores(batch.fake, batch.fake_labels)
        loss = self.objective.critic_loss(real, fake)
        terms = _descend_with_terms(
            self.critic_optimizer,
            self.game.critic_loss_scale * loss,
            self.game.critic_regularizers,
            self.critic,
            batch,
            n_updates=self.critic_updates,
        )
        self._clip()
        self.critic_updates += 1
        if self.observe is not None:
            self.observe(real.detach())
        scores = {"real_score": real.detach().mean(), "fake_score": fake.detach().mean()}
        return {"critic_loss": loss.detach(), **scores, **terms}

    @torch.no_grad()
    def _clip(self) -> None:
        if self.game.clip is not None:
            for parameter in self.critic.parameters():
                parameter.clamp_(-self.game.clip, self.game.clip)

    def _update_generator(self, n: int) -> Mapping[str, Tensor]:
        # the critic's weights need no gradient here, and must not accumulate any
        self.critic.requires_grad_(False)
        latent, labels = self.draw(n)
        scores = self._scores(self.augment(self._generate(latent, labels)), labels)
        loss = self.objective.generator_loss(scores)
        terms = _descend_with_terms(
            self.generator_optimizer,
            loss,
            self.game.generator_regularizers,
            self.generator,
            GeneratorBatch(latent=latent, labels=labels),
            n_updates=self.generator_updates,
        )
        self.critic.requires_grad_(True)
        self.generator_updates += 1
        return {"generator_loss": loss.detach(), **terms}

    @torch.no_grad()
    def _critic_batch(self, images: Tensor, labels: Tensor) -> CriticBatch:
        latent, fake_labels = self.draw(len(images))
        fakes = self._generate(latent, fake_labels)
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

    def _generate(self, latent: Tensor, labels: Tensor) -> Tensor:
        with self.autocast():
            images: Tensor = self.generator(latent, labels)
        return images.float()

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """Draw latents (n, latent_size) and labels (n,) of n fakes.

        Labels are drawn systematically: each has its probability in every place, and its number in
        the batch is right up to rounding. With independent draws the numbers would vary from batch
        to batch, and batch norm would let the critic recognize fake batches by their label
        frequencies instead of by their images.
        """
        device = self.label_probabilities.device
        edges = self.label_probabilities.cumsum(0) / self.label_probabilities.sum()
        places = (torch.randperm(n, device=device) + torch.rand((), device=device)) / n
        labels = torch.searchsorted(edges, places.clamp(max=1 - 1e-6), right=True)
        return torch.randn(n, self.latent_size, device=device), labels

    def state_dict(self) -> dict[str, int]:
        """Return the numbers of updates; networks and optimizers are stored separately."""
        return {
            "critic_updates": self.critic_updates,
            "generator_updates": self.generator_updates,
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Restore the numbers of updates."""
        self.critic_updates = state["critic_updates"]
        self.generator_updates = state["generator_updates"]


def _descend_with_terms(
    optimizer: Optimizer,
    loss: Tensor,
    regularizers: Sequence[Regularizer],
    network: nn.Module,
    batch: CriticBatch | GeneratorBatch,
    *,
    n_updates: int,
) -> dict[str, Tensor]:
    """Update a network by its loss and its regularizers, each lazy one in a separate update.

    `n_updates` is the number of earlier updates of the network.

    Returns:
        The value of each regularizer by its name, detached; 0 where a lazy one rests.
    """
    terms: dict[str, Tensor] = {}
    for regularizer in regularizers:
        if regularizer.every == 1:
            terms[regularizer.name] = regularizer(network, batch)
            loss = loss + terms[regularizer.name]
    _descend(optimizer, loss)
    for regularizer in regularizers:
        if regularizer.every > 1 and n_updates % regularizer.every:
            terms[regularizer.name] = loss.new_zeros(())
        elif regularizer.every > 1:
            terms[regularizer.name] = regularizer.every * regularizer(network, batch)
            _descend(optimizer, terms[regularizer.name])
    return {name: term.detach() for name, term in terms.items()}


def _descend(optimizer: Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()

"""Synthetic images from generative adversarial networks: one pair for each class, or one for all classes."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from equipoise.arrays import Images, Labels, quantize, value_range
from equipoise.exceptions import DataError, SettingError
from equipoise.networks.design import Design
from equipoise.randomness import make_rng
from equipoise.resampling.base import LabeledImages, Oversampler, Strategy
from equipoise.resampling.fit_cache import Fitted, Tensors
from equipoise.resampling.gan.fit import (
    FittedGenerator,
    GANPlan,
    build_generator,
    fit_generator,
    sample,
)
from equipoise.resampling.gan.label_prior import Alpha, label_probabilities
from equipoise.resampling.gan.settings import PER_CLASS, check_gan_settings, check_label_mix
from equipoise.training.collapse import check_diversity
from equipoise.training.devices import resolve_device
from equipoise.training.loop import History
from equipoise.training.ranges import DATA_RANGES
from equipoise.training.regularizers import Given, as_mapping, regularizer

PASSED = (  # settings that a fit takes as they are
    "layout", "objective", "batch_sampler", "batch_size", "learning_rate", "optimizer", "critic_steps",
    "reuse_batch", "critic_loss_scale", "clip", "data_range", "diffaugment", "ada", "ema_decay", "precision",
    "seed", "warm_start",
)  # fmt: skip
OF_DESIGN = (  # settings that the networks take as they are
    "latent_size", "base_channels", "max_channels", "bias", "critic_norm", "critic_first_norm", "attention",
    "initialization",
)  # fmt: skip


class GANOversampler(Oversampler):
    """Adds images made by a GAN to every class that has to grow.

    A variant of the family is a choice of settings, not a class: objective, layout and conditioning are names of
    rows in `OBJECTIVES`, `LAYOUTS` and `CONDITIONINGS`. Images come from a running average of the generator's
    weights, in eval mode, quantized to the training images' type and range.

    Args:
        sampling_strategy: See `Oversampler`.
        seed: Seed of the fit and of the images that `fit_resample` adds.
        conditioning: "per_class" trains an independent pair for each class that has to grow (papers S1, S4); any
            other trains one pair on all classes, which receives the label as "embedding" (paper S2: 50 numbers
            beside the latent, one plane beside the image), "embedding_map", "one_hot" (paper S1), or through
            conditional batch norms and a "projection" in the critic.
        alpha: How often fakes have each label while a conditional pair trains; see `label_probabilities`. Where the
            critic has batch norm it must be as in batches of real images; see `check_label_mix`.
        objective: The game: "non_saturating", "least_squares", "hinge", "wasserstein" or "minimax".
        layout: "dcgan" (batch norm, channels double as maps halve), "constant" (paper S2: no batch norm, the same
            number of channels everywhere; give base_channels=128) or "residual" (SNGAN); see `LAYOUTS`.
        latent_size: Length of the latent.
        base_channels: Channels at half the image side (S4 at 32 px: 32, S1 at 64 px: 64).
        max_channels: Most channels of a map.
        bias: Whether convolutions before a batch norm have biases (paper S1).
        critic_norm: "batch", "layer", "instance", "spectral" or "none"; None is the layout's own.
        critic_first_norm: Whether the critic's first convolution has one too (papers S1 and S4).
        attention: Whether both networks have self-attention.
        initialization: First weights: "dcgan", "keras" or "xavier"; None is the layout's own.
        n_steps: Updates of the generator.
        n_epochs: In place of `n_steps`, where given: how often the critic passes over the real images (several
            updates on a reused batch count once).
        batch_size: Real images, and fakes, in an update.
        learning_rate: For both networks. The papers' 2e-4 is for long fits: after 1,000 steps on 59 cells or 124
            chest films at 32 px, 5e-4 drew membranes, nuclei and ribs that 2e-4 left blurred.
        critic_learning_rate: For the critic, where it is to have another (TTUR: 4e-4 to the generator's 1e-4).
        optimizer: "adam", or "rmsprop" without momentum (WGAN).
        betas: Of Adam.
        critic_steps: Updates of the critic for one of the generator, each on another batch.
        reuse_batch: Whether these are on one batch (BAGAN-GP).
        critic_loss_scale: Factor of the objective's critic loss (paper S1's code: 0.5).
        clip: Bound of every weight of the critic (WGAN: 0.01).
        regularizers: Further terms of the critic's loss: names in `REGULARIZERS`, "gradient_penalty", "dragan",
            "r1" or "mismatched_labels"; or such objects, as `GradientPenalty(weight=5)`; or their settings, as
            {"name": "gradient_penalty", "weight": 5}.
        data_range: "symmetric", or "unit" to reproduce paper S2, see `DATA_RANGES`.
        warm_start: "none"; or, with layout "bagan_gp", "autoencoder" to start the generator from one, or
            "autoencoder_and_critic" to start the critic from it too.
        warm_start_steps: Updates of the autoencoder.
        warm_start_epochs: In place of `warm_start_steps`, where given: its passes over the images.
        batch_sampler: "balanced" (every class as often) or "natural"; of real images in a conditional fit.
        diffaugment: What real and fake images undergo before the critic, for example "translation,cutout"; "color"
            too where colors carry no meaning.
        ada: The same, but as often as the critic's certainty asks for: names of `adaptive_augmentation.TRANSFORMS`;
            its DEFAULT is "translation,scale,stretch,shift,brightness,contrast".
        ema_decay: Of the running average; shorter at the start of a fit.
        precision: "32-true" or "bf16-mixed" (up to twice as fast where there are bfloat16 units).
        device: "auto", "cpu", "cuda", ...

    Attributes:
        history_: {name of the fit: its `History`} with critic_loss, generator_loss, real_score and fake_score (raw
            scores in the critic's updates), the value of every regularizer under its name and, about 20 times,
            training_score, generated_score and validation_score (on fixed images, in eval mode).
        diversity_: {label: pairwise distance of generated images as a share of that of real ones}.

    Source: methods 4.1 to 4.7, 9.1, 9.2, A.2 and A.4. Differs from papers S2 and S4 in sampling from averaged
    weights, in drawing new fakes for the generator's update (S4 uses the critic's), in one update of the critic on
    real and fake images together (S2: one on each, of half a batch), in balanced batches of real images (S1, S2:
    natural ones), and in labels of fakes whose number in a batch is right up to rounding (S2: independent). WGAN's
    100 critic updates in each of the first 25 steps and every 500th are left out: they outweigh a short fit.
    """

    minimum: ClassVar[int] = 8

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        seed: int = 0,
        conditioning: str = PER_CLASS,
        alpha: Alpha = "uniform",
        objective: str = "non_saturating",
        layout: str = "dcgan",
        latent_size: int = 100,
        base_channels: int = 32,
        max_channels: int = 512,
        bias: bool = False,
        critic_norm: str | None = None,
        critic_first_norm: bool = True,
        attention: bool = False,
        initialization: str | None = None,
        n_steps: int = 2000,
        n_epochs: float | None = None,
        batch_size: int = 32,
        learning_rate: float = 5e-4,
        critic_learning_rate: float | None = None,
        optimizer: str = "adam",
        betas: tuple[float, float] = (0.5, 0.999),
        critic_steps: int = 1,
        reuse_batch: bool = False,
        critic_loss_scale: float = 1.0,
        clip: float | None = None,
        regularizers: Sequence[Given] = (),
        data_range: str = "symmetric",
        warm_start: str = "none",
        warm_start_steps: int = 500,
        warm_start_epochs: float | None = None,
        batch_sampler: str = "balanced",
        diffaugment: str = "",
        ada: str = "",
        ema_decay: float = 0.999,
        precision: str = "32-true",
        device: str = "auto",
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy, seed=seed)
        self.conditioning = conditioning
        self.alpha = alpha
        self.objective = objective
        self.layout = layout
        self.latent_size = latent_size
        self.base_channels = base_channels
        self.max_channels = max_channels
        self.bias = bias
        self.critic_norm = critic_norm
        self.critic_first_norm = critic_first_norm
        self.attention = attention
        self.initialization = initialization
        self.n_steps = n_steps
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.critic_learning_rate = critic_learning_rate
        self.optimizer = optimizer
        self.betas = betas
        self.critic_steps = critic_steps
        self.reuse_batch = reuse_batch
        self.critic_loss_scale = critic_loss_scale
        self.clip = clip
        self.regularizers = regularizers
        self.data_range = data_range
        self.warm_start = warm_start
        self.warm_start_steps = warm_start_steps
        self.warm_start_epochs = warm_start_epochs
        self.batch_sampler = batch_sampler
        self.diffaugment = diffaugment
        self.ada = ada
        self.ema_decay = ema_decay
        self.precision = precision
        self.device = device

    @property
    def history_(self) -> dict[str, History]:
        """What each fit recorded, by its name."""
        before = {
            f"{name}: autoencoder": fitted.before
            for name, fitted in self.fitted_.items()
            if fitted.before.rows
        }
        return before | {name: fitted.history for name, fitted in self.fitted_.items()}

    @property
    def diversity_(self) -> dict[int, float]:
        """How much the images of each label differ from one another, as a share of what real ones do."""
        return {
            int(self.classes_[code]): share
            for fitted in self.fitted_.values()
            for code, share in zip(fitted.codes, fitted.diversity, strict=True)
        }

    def check_settings(self, side: int) -> None:
        """See `Resampler.check_settings`."""
        check_gan_settings(self.get_params(deep=False), side)

    def _fit(
        self, X: Images, codes: Labels, validation: LabeledImages | None, workspace: Path | None
    ) -> None:
        _check_square(X)
        self.check_settings(X.shape[2])
        self.span_ = value_range(X)
        self.fitted_: dict[str, FittedGenerator] = {}
        device = resolve_device(self.device)
        for name, members in self._groups().items():
            images, labels = _only(members, X, codes)
            plan = self._plan(name, members, codes, len(images))
            held = None if validation is None else _only(members, *validation)
            fitted = fit_generator(plan, images, labels, held, device=device, workspace=workspace)
            self.fitted_[name] = self._restore(members, *fitted)
            self._refuse_collapsed(members, plan.advice)

    def _generate(self, codes: Labels, seed: int) -> Images:
        images = np.empty((len(codes), *self.shape_), dtype=self.dtype_)
        for code in np.unique(codes):
            rows = np.flatnonzero(codes == code)
            images[rows] = self._images(int(code), len(rows), seed)
        return images

    def _images(self, code: int, n: int, seed: int) -> Images:
        """Make n images of one class; the first ones are the same however many are asked for."""
        label = int(self.classes_[code])
        fitted = next((fitted for fitted in self.fitted_.values() if code in fitted.codes), None)
        if fitted is None:
            raise DataError(
                f"No generator was trained for class {label}, which had not to grow. Name it in sampling_strategy, "
                "or use a conditional generator (conditioning='embedding')."
            )
        latents = make_rng(seed, "latents", label).standard_normal((n, self.latent_size))
        parts = sample(
            fitted.network, latents, fitted.codes.index(code), DATA_RANGES[self.data_range]
        )
        return np.concatenate([quantize(part.numpy(), self.dtype_, self.span_) for part in parts])

    def _groups(self) -> dict[str, tuple[int, ...]]:
        """Say which class codes share a pair of networks, by the name of their fit."""
        if not self.wanted_:
            return {}
        if self.conditioning != PER_CLASS:
            return {"all classes": tuple(range(len(self.classes_)))}
        growing = np.flatnonzero(np.isin(self.classes_, list(self.wanted_)))
        return {f"class {self.classes_[code]}": (int(code),) for code in growing}

    def _plan(self, name: str, members: tuple[int, ...], codes: Labels, n_images: int) -> GANPlan:
        rate = (
            self.learning_rate if self.critic_learning_rate is None else self.critic_learning_rate
        )
        return GANPlan(
            name=name,
            design=self._design(members),
            label_probabilities=self._label_probabilities(codes),
            n_steps=self._n_steps(n_images),
            warm_start_steps=self._warm_start_steps(n_images),
            critic_learning_rate=rate,
            betas=(float(self.betas[0]), float(self.betas[1])),
            regularizers=tuple(regularizer(given) for given in self.regularizers),
            span=self.span_,
            **{setting: getattr(self, setting) for setting in PASSED},
        )

    def _n_steps(self, n_images: int) -> int:
        if self.n_epochs is None:
            return self.n_steps
        seen = self.batch_size * (
            1 if self.reuse_batch else self.critic_steps
        )  # real images of one step
        return math.ceil(self.n_epochs * n_images / seen)

    def _warm_start_steps(self, n_images: int) -> int:
        if self.warm_start_epochs is None:
            return self.warm_start_steps
        return math.ceil(self.warm_start_epochs * n_images / self.batch_size)

    def _design(self, members: Sequence[int]) -> Design:
        return Design(
            size=self.shape_[1],
            channels=self.shape_[0],
            n_classes=len(members),
            conditioning="none" if self.conditioning == PER_CLASS else self.conditioning,
            **{setting: getattr(self, setting) for setting in OF_DESIGN},
        )

    def _label_probabilities(self, codes: Labels) -> tuple[float, ...]:
        if self.conditioning == PER_CLASS:
            return (1.0,)
        probabilities = label_probabilities(self.alpha, np.bincount(codes).tolist())
        for label in self.wanted_:
            if probabilities[np.searchsorted(self.classes_, label)] == 0:
                raise SettingError(
                    f"Class {label} has to grow, but alpha={self.alpha!r} never shows it to the generator. Give it "
                    "a probability above 0."
                )
        shares, counts = probabilities.tolist(), np.bincount(codes).tolist()
        check_label_mix(self.get_params(deep=False), self.shape_[1], shares, counts)
        return tuple(shares)

    def _restore(
        self, members: Sequence[int], tensors: Tensors, facts: Mapping[str, Any]
    ) -> FittedGenerator:
        network = build_generator(self.layout, self._design(members), resolve_device(self.device))
        network.load_state_dict(dict(tensors))
        history, before = (History(rows=list(facts[name])) for name in ("rows", "before"))
        return FittedGenerator(tuple(members), network, history, before, tuple(facts["diversity"]))

    def _refuse_collapsed(self, members: Sequence[int], advice: str) -> None:
        """Judge the classes that have to grow, also where the fit was found finished."""
        for label in self.classes_[list(members)].tolist():
            if label in self.wanted_:
                check_diversity(self.diversity_[label], f"class {label}", advice)

    def _plain_params(self) -> dict[str, Any]:
        """See `Oversampler._plain_params`."""
        return super()._plain_params() | {
            "regularizers": [as_mapping(given) for given in self.regularizers]
        }

    def _state(self) -> Fitted:
        tensors: dict[str, Tensor] = {}
        groups: dict[str, Any] = {}
        for name, fitted in self.fitted_.items():
            tensors |= {
                f"{name}/{key}": tensor for key, tensor in fitted.network.state_dict().items()
            }
            rows = {"rows": fitted.history.rows, "before": fitted.before.rows}
            groups[name] = {"codes": fitted.codes, "diversity": fitted.diversity, **rows}
        return tensors, {"span": self.span_, "groups": groups}

    def _set_state(self, tensors: Tensors, facts: Mapping[str, Any]) -> None:
        low, high = facts["span"]
        self.span_ = float(low), float(high)
        self.fitted_ = {}
        for name, group in facts["groups"].items():
            own = {
                key.removeprefix(f"{name}/"): t
                for key, t in tensors.items()
                if key.startswith(f"{name}/")
            }
            self.fitted_[name] = self._restore(group["codes"], own, group)


def _only(members: Sequence[int], images: Images, codes: Labels) -> LabeledImages:
    """Keep the images of some classes, labeled 0, 1, ... in the order of `members`."""
    rows = np.isin(codes, members)
    return images[rows], np.searchsorted(members, codes[rows]).astype(np.int64)


def _check_square(images: Images) -> None:
    if images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise DataError(
            f"Expected square images of shape (n, c, s, s), got {images.shape}. Pad or crop them."
        )

"""Synthetic images from the original BAGAN: one generator, whose latents come from the Gaussian of each class."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from equipoise.arrays import Images, Labels, quantize, value_range
from equipoise.discovery import pick
from equipoise.exceptions import DataError, SettingError
from equipoise.networks.design import Design, Generator
from equipoise.networks.sizes import check_size
from equipoise.randomness import make_rng
from equipoise.resampling.bagan.fit import NAME, BAGANPlan, fit_bagan, restore_generator
from equipoise.resampling.base import LabeledImages, Oversampler, Strategy
from equipoise.resampling.fit_cache import Fitted, Tensors
from equipoise.resampling.gan.fit import sample
from equipoise.training.batches import BATCH_SAMPLERS
from equipoise.training.collapse import check_diversity
from equipoise.training.devices import PRECISIONS, resolve_device
from equipoise.training.diffaugment import diffaugment
from equipoise.training.loop import History
from equipoise.validation import check_class_sizes

LEAST_FOR_A_GAUSSIAN = 2  # images of every class, also of those that need not grow
LEAST = {"n_steps": 1, "warm_start_steps": 1, "batch_size": 2, "latent_size": 1, "base_channels": 1}
PASSED = (  # settings that a fit takes as they are
    "warm_start_steps", "shrinkage", "n_steps", "batch_size", "learning_rate", "batch_sampler", "diffaugment",
    "ema_decay", "precision", "seed",
)  # fmt: skip


class BAGANOversampler(Oversampler):
    """Adds images made by a BAGAN that has learned from all classes together.

    An autoencoder learns all images without their labels. Generator and critic start from its decoder and encoder;
    each class has a Gaussian, fitted to the encodings of its images, from which its latents are drawn. The critic
    names the class of an image, or says that it is generated. BAGAN-GP, its successor, is a choice of settings of
    `GANOversampler`. Images come from a running average of the generator's weights.

    Args:
        sampling_strategy: See `Oversampler`.
        seed: Seed of the fit and of the images that `fit_resample` adds.
        latent_size: Length of the latent.
        base_channels: Channels of the critic's first convolution; everything else grows with it (32 in the source).
        warm_start_steps: Updates of the autoencoder.
        shrinkage: How far the covariance of a class is drawn to a round one, see `class_gaussians`.
        n_steps: Updates of each network in the game.
        batch_size: Real images of an update.
        learning_rate: Of Adam, for all networks (the source's 5e-5 is for long fits).
        betas: Of Adam.
        batch_sampler: "balanced" (every class as often) or "natural", as the source; of real images in the game.
        diffaugment: What real and fake images undergo before the critic, see `GANOversampler`.
        ema_decay: Of the running average; shorter at the start of a fit.
        precision: "32-true" or "bf16-mixed".
        device: "auto", "cpu", "cuda", ...

    Attributes:
        history_: {"all classes: autoencoder": `History` with loss and, about 20 times, the mean error of each class
            on training and validation images; "all classes": of the game, as that of `GANOversampler`}.
        diversity_: {label: pairwise distance of generated images as a share of that of real ones}.

    Source: Mariani et al. 2018 (arXiv 1803.09655) and its code, methods 4.8. Differs in sampling from averaged
    weights, in shrunk covariances, in balanced batches of real images, and in PyTorch's symmetric padding.
    """

    minimum: ClassVar[int] = 5

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        seed: int = 0,
        latent_size: int = 100,
        base_channels: int = 32,
        warm_start_steps: int = 500,
        shrinkage: float = 0.1,
        n_steps: int = 2000,
        batch_size: int = 32,
        learning_rate: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        batch_sampler: str = "balanced",
        diffaugment: str = "",
        ema_decay: float = 0.999,
        precision: str = "32-true",
        device: str = "auto",
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy, seed=seed)
        self.latent_size = latent_size
        self.base_channels = base_channels
        self.warm_start_steps = warm_start_steps
        self.shrinkage = shrinkage
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.betas = betas
        self.batch_sampler = batch_sampler
        self.diffaugment = diffaugment
        self.ema_decay = ema_decay
        self.precision = precision
        self.device = device

    def check_settings(self, side: int) -> None:
        """See `Resampler.check_settings`."""
        pick(BATCH_SAMPLERS, self.batch_sampler, "batch sampler")
        pick(PRECISIONS, self.precision, "precision")
        diffaugment(self.diffaugment)
        for name, least in LEAST.items():
            if not getattr(self, name) >= least:
                raise SettingError(
                    f"Expected {name} of at least {least}, got {getattr(self, name)}."
                )
        for name in ("learning_rate", "ema_decay"):
            if not 0 < getattr(self, name) < 1:
                raise SettingError(f"Expected {name} between 0 and 1, got {getattr(self, name)}.")
        if not 0 <= self.shrinkage <= 1:
            raise SettingError(f"Expected shrinkage from 0 to 1, got {self.shrinkage}.")
        check_size(side)

    def _fit(
        self, X: Images, codes: Labels, validation: LabeledImages | None, workspace: Path | None
    ) -> None:
        if X.ndim != 4 or X.shape[2] != X.shape[3]:
            raise DataError(
                f"Expected square images of shape (n, c, s, s), got {X.shape}. Pad or crop them."
            )
        self.check_settings(X.shape[2])
        self.span_ = value_range(X)
        self.network_: Generator | None = None
        self.history_: dict[str, History] = {}
        self.diversity_: dict[int, float] = {}
        if not self.wanted_:
            return
        check_class_sizes(
            self.classes_[codes],
            LEAST_FOR_A_GAUSSIAN,
            method="A Gaussian",
            alternatives=self.alternatives,
        )
        plan, device = self._plan(), resolve_device(self.device)
        self._restore(*fit_bagan(plan, X, codes, validation, device=device, workspace=workspace))
        for label in self.wanted_:
            check_diversity(self.diversity_[label], f"class {label}", plan.advice)

    def _generate(self, codes: Labels, seed: int) -> Images:
        if self.network_ is None:
            raise DataError(
                "No generator was trained, because no class had to grow. Name one in sampling_strategy."
            )
        images = np.empty((len(codes), *self.shape_), dtype=self.dtype_)
        for code in np.unique(codes).tolist():
            rows = np.flatnonzero(codes == code)
            rng = make_rng(seed, "latents", int(self.classes_[code]))
            latents = rng.standard_normal((len(rows), self.latent_size))
            parts = sample(self.network_, latents, code)
            images[rows] = np.concatenate(
                [quantize(part.numpy(), self.dtype_, self.span_) for part in parts]
            )
        return images

    def _plan(self) -> BAGANPlan:
        return BAGANPlan(
            design=self._design(),
            betas=(float(self.betas[0]), float(self.betas[1])),
            span=self.span_,
            **{setting: getattr(self, setting) for setting in PASSED},
        )

    def _design(self) -> Design:
        return Design(
            size=self.shape_[1],
            channels=self.shape_[0],
            n_classes=len(self.classes_),
            latent_size=self.latent_size,
            base_channels=self.base_channels,
        )

    def _restore(self, tensors: Tensors, facts: Mapping[str, Any]) -> None:
        self.network_ = restore_generator(
            self._design(), dict(tensors), resolve_device(self.device)
        )
        rows = {f"{NAME}: autoencoder": facts["autoencoder_rows"], NAME: facts["rows"]}
        self.history_ = {name: History(rows=list(some)) for name, some in rows.items()}
        self.diversity_ = dict(zip(self.classes_.tolist(), facts["diversity"], strict=True))

    def _state(self) -> Fitted:
        if self.network_ is None:
            return {}, {"span": self.span_}
        first, game = (history.rows for history in self.history_.values())
        facts = {
            "autoencoder_rows": first,
            "rows": game,
            "diversity": list(self.diversity_.values()),
        }
        return self.network_.state_dict(), {"span": self.span_, **facts}

    def _set_state(self, tensors: Tensors, facts: Mapping[str, Any]) -> None:
        low, high = facts["span"]
        self.span_ = float(low), float(high)
        self.network_, self.history_, self.diversity_ = None, {}, {}
        if tensors:
            self._restore(tensors, facts)

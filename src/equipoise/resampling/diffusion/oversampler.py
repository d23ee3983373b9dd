"""Synthetic images from a class-conditional diffusion or flow model, trained on all classes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from equipoise.arrays import Images, Labels, quantize, value_range
from equipoise.discovery import pick
from equipoise.exceptions import DataError, SettingError
from equipoise.networks.denoiser import Denoiser, DenoiserDesign, level_sides
from equipoise.randomness import make_rng
from equipoise.resampling.base import LabeledImages, Oversampler, Strategy
from equipoise.resampling.diffusion.fit import (
    CHUNK,
    NAME,
    DiffusionPlan,
    ImageSampler,
    build_denoiser,
    fit_denoiser,
)
from equipoise.resampling.fit_cache import Fitted, Tensors
from equipoise.training.batches import BATCH_SAMPLERS, resident, to_unit
from equipoise.training.collapse import check_diversity, relative_diversity
from equipoise.training.denoising import PROCESSES
from equipoise.training.devices import PRECISIONS, resolve_device
from equipoise.training.loop import History

LEAST = {
    "n_steps": 1,
    "batch_size": 1,
    "base_channels": 4,
    "n_blocks": 1,
    "patch": 1,
    "guidance": 0.0,
}
SHARES = ("label_drop", "dropout", "stop_share")  # in [0, 1)


class DiffusionOversampler(Oversampler):
    """Adds images made by a denoiser to every class that has to grow.

    One network learns all classes, so that a rare one profits from the features of the others. Images come from a
    running average of its weights, quantized to the training images' type and range. A tenth of the
    training images of each class (none of a class below ten) is set aside: the fit ends, and returns to its best
    weights, when their denoising error no longer falls, because a denoiser of few images comes to recite them
    (methods 7.3, 9.5).
    Validation images would serve that purpose too, but what is added must not depend on them.

    Args:
        sampling_strategy: See `Oversampler`.
        seed: Seed of the fit and of the images that `fit_resample` adds.
        process: "rectified_flow", "rectified_flow_logit_normal", "edm" or "ddpm"; see `training.denoising`. In a
            short fit rectified flow is ahead: after 400 steps on 360 drawn cells at 32 px it had put the nuclei
            into the middle, where edm had not.
        n_steps: Most updates of the network.
        batch_size: Images in an update.
        learning_rate: Of AdamW, after a rise over the first twentieth of the steps. Methods 9.5 gives 2e-4 for
            50,000 steps.
        batch_sampler: "balanced" (every class as often) or "natural".
        base_channels: Channels of the U-Net at its largest maps, a multiple of 4 (methods 9.5: 64).
        n_blocks: Residual blocks of a level, on each of the ways down and up (methods 9.5: 2).
        patch: Side of the squares of pixels that are worked on as one place (methods 9.5: 1); 2 makes maps a
            quarter of their size. Images of 128 px and more need 4 or 8.
        dropout: Rate inside the residual blocks.
        label_drop: How often the network learns from an image without its label; needed for guidance.
        guidance: 1 draws as learned, above 1 more typical images of a class that differ less.
        sampling_steps: Steps from noise to image; None is the number that the process advises.
        ema_decay: Of the running average; shorter at the start of a fit.
        stop_share: Share of the images of each class that is set aside, rounded down; 0 trains on all to the end.
        precision: "32-true" or "bf16-mixed"; of training and of sampling.
        device: "auto", "cpu", "cuda", ...

    Attributes:
        history_: {"all classes": `History`} with loss and, about 20 times, training_error, set_aside_error and
            validation_error (of the averaged network, on fixed tasks, all classes alike). Where set_aside_error
            rises and training_error falls, the network has begun to memorize.
        diversity_: {label that has to grow: pairwise distance of generated images as a share of that of real ones}.

    Source: methods 9.5. Differs in one skip and one attention a level in place of one for each block, in the
    images set aside, and in the defaults, which suit a short fit on a processor.
    """

    minimum: ClassVar[int] = 8

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        seed: int = 0,
        process: str = "rectified_flow",
        n_steps: int = 1200,
        batch_size: int = 16,
        learning_rate: float = 2e-3,
        batch_sampler: str = "balanced",
        base_channels: int = 32,
        n_blocks: int = 1,
        patch: int = 2,
        dropout: float = 0.1,
        label_drop: float = 0.1,
        guidance: float = 1.0,
        sampling_steps: int | None = None,
        ema_decay: float = 0.999,
        stop_share: float = 0.1,
        precision: str = "32-true",
        device: str = "auto",
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy, seed=seed)
        self.process = process
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.batch_sampler = batch_sampler
        self.base_channels = base_channels
        self.n_blocks = n_blocks
        self.patch = patch
        self.dropout = dropout
        self.label_drop = label_drop
        self.guidance = guidance
        self.sampling_steps = sampling_steps
        self.ema_decay = ema_decay
        self.stop_share = stop_share
        self.precision = precision
        self.device = device

    @property
    def history_(self) -> dict[str, History]:
        """What the fit recorded, by its name; empty where no class has to grow."""
        return {} if self.network_ is None else {NAME: self._history}

    def check_settings(self, side: int) -> None:
        """See `Resampler.check_settings`."""
        pick(PROCESSES, self.process, "process")
        pick(BATCH_SAMPLERS, self.batch_sampler, "batch sampler")
        pick(PRECISIONS, self.precision, "precision")
        for name, least in LEAST.items():
            if not getattr(self, name) >= least:
                raise SettingError(
                    f"Expected {name} of at least {least}, got {getattr(self, name)}."
                )
        if self.sampling_steps is not None and self.sampling_steps < 2:
            raise SettingError(
                f"Expected sampling_steps of at least 2, or None, got {self.sampling_steps}."
            )
        for name in ("learning_rate", "ema_decay"):
            if not 0 < getattr(self, name) < 1:
                raise SettingError(f"Expected {name} between 0 and 1, got {getattr(self, name)}.")
        for name in SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise SettingError(f"Expected {name} from 0 to below 1, got {getattr(self, name)}.")
        if self.base_channels % 4:
            raise SettingError(
                f"Expected base_channels as a multiple of 4, got {self.base_channels}."
            )
        if self.guidance != 1.0 and self.label_drop == 0.0:
            raise SettingError(
                f"guidance={self.guidance} needs images learned without label: give label_drop=0.1."
            )
        level_sides(side, self.patch)

    def _fit(
        self, X: Images, codes: Labels, validation: LabeledImages | None, workspace: Path | None
    ) -> None:
        if X.ndim != 4 or X.shape[2] != X.shape[3]:
            raise DataError(
                f"Expected square images of shape (n, c, s, s), got {X.shape}. Pad or crop them."
            )
        self.check_settings(X.shape[2])
        self.span_ = value_range(X)
        self.network_: Denoiser | None = None
        self.diversity_: dict[int, float] = {}
        device = resolve_device(self.device)
        if self.wanted_:
            plan = self._plan()
            self._restore(
                fit_denoiser(plan, X, codes, validation, device=device, workspace=workspace)
            )
            for label in self.wanted_:
                self.diversity_[label] = self._diversity(label, X[self.classes_[codes] == label])
                check_diversity(self.diversity_[label], f"class {label}", plan.advice)

    def _generate(self, codes: Labels, seed: int) -> Images:
        images = np.empty((len(codes), *self.shape_), dtype=self.dtype_)
        for code in np.unique(codes):
            rows = np.flatnonzero(codes == code)
            parts = self._sampler().images(int(code), len(rows), self._noise(seed, int(code)))
            images[rows] = np.concatenate(
                [quantize(part.numpy(), self.dtype_, self.span_) for part in parts]
            )
        return images

    def _noise(self, seed: int, code: int) -> np.random.Generator:
        return make_rng(seed, "noise", int(self.classes_[code]))

    def _diversity(self, label: int, real: Images) -> float:
        """Compare generated with training images of a class."""
        rng = make_rng(self.seed, "compared", label)
        real = rng.permutation(real)[:CHUNK]
        made = self._sampler().images(int(np.searchsorted(self.classes_, label)), CHUNK, rng)
        return relative_diversity(
            torch.cat(list(made)), to_unit(resident(real, torch.device("cpu")), self.span_)
        )

    def _sampler(self) -> ImageSampler:
        if self.network_ is None:
            raise DataError(
                "No denoiser was trained, because no class had to grow. Name one in sampling_strategy."
            )
        process = PROCESSES[self.process]
        return ImageSampler(
            network=self.network_,
            design=self._design(),
            process=process,
            guidance=float(self.guidance),
            n_steps=self.sampling_steps or process.sampling_steps,
            precision=self.precision,
        )

    def _plan(self) -> DiffusionPlan:
        return DiffusionPlan(
            process=self.process,
            design=self._design(),
            n_steps=self.n_steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            batch_sampler=self.batch_sampler,
            label_drop=self.label_drop,
            ema_decay=self.ema_decay,
            stop_share=self.stop_share,
            precision=self.precision,
            span=self.span_,
            seed=self.seed,
        )

    def _design(self) -> DenoiserDesign:
        return DenoiserDesign(
            size=self.shape_[1],
            channels=self.shape_[0],
            n_classes=len(self.classes_),
            base_channels=self.base_channels,
            n_blocks=self.n_blocks,
            patch=self.patch,
            dropout=self.dropout,
        )

    def _restore(self, fitted: Fitted) -> None:
        tensors, facts = fitted
        self.network_ = build_denoiser(self._design(), resolve_device(self.device))
        self.network_.load_state_dict(dict(tensors))
        self._history = History(rows=list(facts["rows"]))

    def _state(self) -> Fitted:
        facts = {"span": self.span_, "diversity": list(self.diversity_.items())}
        if self.network_ is None:
            return {}, facts
        tensors: dict[str, Tensor] = self.network_.state_dict()
        return tensors, {**facts, "rows": self._history.rows}

    def _set_state(self, tensors: Tensors, facts: Mapping[str, Any]) -> None:
        low, high = facts["span"]
        self.span_ = float(low), float(high)
        self.diversity_ = {int(label): float(share) for label, share in facts["diversity"]}
        self.network_ = None
        if "rows" in facts:
            self._restore((tensors, facts))

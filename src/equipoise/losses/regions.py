"""Losses of label maps: overlap of regions, and the losses of single items over the pixels that count."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from equipoise.discovery import Family, pick
from equipoise.exceptions import SettingError
from equipoise.losses import LOSSES
from equipoise.losses.base import ImbalanceLoss, LossFactory

Overlap = Callable[[Tensor, Tensor], Tensor]  # logits (1, k, m), classes (1, 1, m) -> scalar

FALSE_POSITIVE, FALSE_NEGATIVE = 0.3, 0.7  # what they cost in Tversky losses
FOCUS = 3 / 4  # exponent of the focal Tversky loss
NEARLY_PERFECT = 1e-6  # below this the slope of x^(3/4), infinite at 0, is held


class DenseLoss(nn.Module, ABC):
    """A loss of the pixels of a batch of patches that have a class; the others, with target -1, add nothing to it.

    A batch in which no pixel has a class costs 0 and has a gradient of 0.
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give a scalar for logits (n, k, h, w) and classes (n, h, w), -1 where a pixel is ignored."""
        kept = target >= 0
        pixels = logits.movedim(1, -1)[kept]
        pixels = pixels.to(
            torch.promote_types(pixels.dtype, torch.float32)
        )  # sums of many: half is too coarse
        return self.of_pixels(pixels, target[kept]) if len(pixels) else pixels.sum()

    @abstractmethod
    def of_pixels(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give a scalar for logits (m, k) and classes (m,) of at least one pixel."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """Turn logits (n, k, *spatial) into probabilities of the same shape that sum to 1 over the classes."""
        return logits.softmax(dim=1)

    def advance(self, progress: float) -> None:
        """Tell the loss which share of the training is done, 0 to 1; regions do not change on the way."""


class RegionLoss(DenseLoss):
    """One minus an overlap of what is predicted and what is true.

    The pixels of all patches are one region: in a small patch most classes are absent, and an overlap of its own
    would be 0 / 0 for them (nnU-Net: "batch dice").

    Args:
        overlap: The loss of one region map.
    """

    def __init__(self, overlap: Overlap) -> None:
        super().__init__()
        self.overlap = overlap

    def of_pixels(self, logits: Tensor, target: Tensor) -> Tensor:
        """Give the loss of all pixels as one map."""
        return self.overlap(logits.T.unsqueeze(0), target.view(1, 1, -1))


class ItemLoss(DenseLoss):
    """A member of `equipoise.losses.LOSSES`, averaged over the pixels that have a class."""

    def __init__(self, loss: ImbalanceLoss) -> None:
        super().__init__()
        self.loss = loss

    def of_pixels(self, logits: Tensor, target: Tensor) -> Tensor:
        """Average the terms."""
        return self.loss(logits, target)  # type: ignore[no-any-return]  # modules are untyped when called

    def probabilities(self, logits: Tensor) -> Tensor:
        """Ask the loss."""
        return self.loss.probabilities(logits)

    def advance(self, progress: float) -> None:
        """Tell the loss."""
        self.loss.advance(progress)


@dataclass(frozen=True)
class RegionLossFactory:
    """Makes the loss of a label map.

    Attributes:
        name: How it is asked for.
        summary: One line for lists.
        build: Whether class 0 is background (then "mean over foreground" leaves it out) -> overlap.
        source: Where it is defined.
    """

    name: str
    summary: str
    build: Callable[[bool], Overlap]
    source: str


def pick_loss(name: str, counts: Tensor, *, background: bool = True) -> DenseLoss:
    """Make a loss for label maps: one of `REGION_LOSSES`, or of `equipoise.losses.LOSSES` for each pixel.

    Args:
        name: Its name.
        counts: (k,) pixels of each class; regions need none.
        background: Whether class 0 is background; False where only substructures are told apart.

    Raises:
        SettingError: No such name, or a loss that needs the cosines of a last layer that label maps do not have.
        DataError: The loss needs counts and a class has none.
    """
    table: dict[str, LossFactory | RegionLossFactory] = {**LOSSES, **REGION_LOSSES}
    factory = pick(table, name, "loss")
    if isinstance(factory, RegionLossFactory):
        return RegionLoss(factory.build(background))
    if factory.head != "linear":
        raise SettingError(
            f"Expected a loss of plain logits for label maps, got '{name}', which needs cosines."
        )
    return ItemLoss(factory(counts))


def _dice(background: bool) -> Overlap:
    """Take MONAI's with its defaults: nothing squared, e = 1e-5. An absent class that nobody predicts costs 0."""
    from monai.losses.dice import DiceLoss

    return DiceLoss(include_background=not background, to_onehot_y=True, softmax=True)


def _generalized_dice(_background: bool) -> Overlap:
    """Take MONAI's without its smoothing, which is large beside sums of n / n^2 where regions have many pixels.

    All classes count, the background too, as in Sudre et al. An absent class would weigh infinitely much; it weighs
    as much as the rarest that is there (so does MONAI).
    """
    from monai.losses.dice import GeneralizedDiceLoss

    return GeneralizedDiceLoss(to_onehot_y=True, softmax=True, smooth_nr=0.0, smooth_dr=0.0)


def _tversky(background: bool, reduction: str = "mean") -> Overlap:
    from monai.losses.tversky import TverskyLoss

    return TverskyLoss(
        include_background=not background,
        to_onehot_y=True,
        softmax=True,
        alpha=FALSE_POSITIVE,
        beta=FALSE_NEGATIVE,
        reduction=reduction,
    )


def _focal_tversky(background: bool) -> Overlap:
    """Raise each class to the power before the mean; MONAI has no such loss."""
    tversky = _tversky(background, reduction="none")

    def overlap(logits: Tensor, target: Tensor) -> Tensor:
        missed = tversky(logits, target)
        return (missed * missed.clamp_min(NEARLY_PERFECT) ** (FOCUS - 1)).mean()

    return overlap


def _ce_dice(background: bool) -> Overlap:
    dice = _dice(background)
    return lambda logits, target: cross_entropy(logits, target.squeeze(1)) + dice(logits, target)


REGION_LOSSES: dict[str, RegionLossFactory] = {
    factory.name: factory
    for factory in (
        RegionLossFactory(
            "dice",
            "Overlap of each foreground class; a small class counts as much as a large one.",
            _dice,
            "methods 6.5 (Milletari et al. 2016, without their squares)",
        ),
        RegionLossFactory(
            "generalized_dice",
            "One overlap of all classes, each weighted by 1 / (its pixels)^2.",
            _generalized_dice,
            "methods 6.5 (Sudre et al. 2017)",
        ),
        RegionLossFactory(
            "tversky",
            "As dice, but a missed pixel costs 0.7 and a false one 0.3.",
            _tversky,
            "methods 6.5 (Salehi et al. 2017)",
        ),
        RegionLossFactory(
            "focal_tversky",
            "tversky to the power 3/4: classes that overlap well still pull.",
            _focal_tversky,
            "methods 6.5 (Abraham & Khan 2019)",
        ),
        RegionLossFactory(
            "ce_dice",
            "Cross-entropy of every pixel plus dice.",
            _ce_dice,
            "methods 6.5 (Isensee et al. 2021, nnU-Net's default)",
        ),
    )
}
FAMILY = Family(
    name="region_losses",
    summary="Losses of a segmenter in dense mode.",
    members=REGION_LOSSES,
)

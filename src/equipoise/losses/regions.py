"""Losses of label maps: overlap of regions, and the losses of single items over labeled pixels."""

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

FALSE_POSITIVE, FALSE_NEGATIVE = 0.3, 0.7  # their weights in Tversky losses
FOCUS = 3 / 4  # exponent of the focal Tversky loss
NEARLY_PERFECT = 1e-6  # below it the slope of x^(3/4), infinite at 0, is constant


class DenseLoss(nn.Module, ABC):
    """A loss of the labeled pixels in a batch of patches; pixels with target -1 are ignored.

    A batch without a labeled pixel has loss 0 and gradient 0.
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute a scalar from logits (n, k, h, w) and classes (n, h, w), -1 where ignored."""
        labeled = target >= 0
        pixels = logits.movedim(1, -1)[labeled]
        # half precision is too coarse for sums over many pixels
        pixels = pixels.to(torch.promote_types(pixels.dtype, torch.float32))
        return self.of_pixels(pixels, target[labeled]) if len(pixels) else pixels.sum()

    @abstractmethod
    def of_pixels(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute a scalar from logits (m, k) and classes (m,) of at least one pixel."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """Map logits (n, k, *spatial) to probabilities that sum to 1 over the classes."""
        return logits.softmax(dim=1)

    def advance(self, progress: float) -> None:
        """Set the finished share of the training, 0 to 1; losses of regions ignore it."""


class RegionLoss(DenseLoss):
    """One minus the overlap of predicted and true regions.

    The pixels of all patches form one region (nnU-Net: "batch dice"): most classes are absent from
    a small patch, where their overlap would be 0 / 0.

    Args:
        overlap: Loss of the pixels of one region map.
    """

    def __init__(self, overlap: Overlap) -> None:
        super().__init__()
        self.overlap = overlap

    def of_pixels(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of all pixels as one map."""
        return self.overlap(logits.T.unsqueeze(0), target.view(1, 1, -1))


class ItemLoss(DenseLoss):
    """A member of `equipoise.losses.LOSSES`, averaged over the labeled pixels.

    Args:
        loss: The loss of one pixel.
    """

    def __init__(self, loss: ImbalanceLoss) -> None:
        super().__init__()
        self.loss = loss

    def of_pixels(self, logits: Tensor, target: Tensor) -> Tensor:
        """Average the terms."""
        return self.loss(logits, target)  # type: ignore[no-any-return]  # modules are untyped when called

    def probabilities(self, logits: Tensor) -> Tensor:
        """Map logits to probabilities as the wrapped loss does."""
        return self.loss.probabilities(logits)

    def advance(self, progress: float) -> None:
        """Set the finished share of the training in the wrapped loss."""
        self.loss.advance(progress)


@dataclass(frozen=True)
class RegionLossFactory:
    """A row of `REGION_LOSSES`: builds the loss of a label map.

    Attributes:
        name: Its name in the table.
        summary: One line for users.
        build: Whether class 0 is background, which a foreground mean leaves out -> overlap.
        source: Author, year and differences.
    """

    name: str
    summary: str
    build: Callable[[bool], Overlap]
    source: str


def pick_loss(name: str, counts: Tensor, *, background: bool = True) -> DenseLoss:
    """Build a loss for label maps: one of `REGION_LOSSES`, or of `LOSSES` for each pixel.

    Args:
        name: Its name.
        counts: (k,) pixels of each class; losses of regions ignore them.
        background: Whether class 0 is background; False where all classes are structures.

    Raises:
        SettingError: No such name, or a loss that needs a cosine head, which label maps lack.
        DataError: The loss needs counts and a class has none.

    Example:
        >>> loss = pick_loss("dice", torch.tensor([90, 10]))
        >>> target = torch.tensor([[[0, 1], [1, -1]]])
        >>> logits = torch.tensor([[[[9.0, 0.0], [0.0, 0.0]], [[0.0, 9.0], [9.0, 0.0]]]])
        >>> loss(logits, target) < 0.01
        tensor(True)
    """
    table: dict[str, LossFactory | RegionLossFactory] = {**LOSSES, **REGION_LOSSES}
    factory = pick(table, name, "loss")
    if isinstance(factory, RegionLossFactory):
        return RegionLoss(factory.build(background))
    if factory.head != "linear":
        raise SettingError(
            f"Expected a loss of plain logits for label maps, got '{name}', which needs cosines. "
            "Use 'balanced_softmax' or 'class_weights'."
        )
    return ItemLoss(factory(counts))


def _dice(background: bool) -> Overlap:
    """Build MONAI's loss with its defaults: no squares, smoothing 1e-5.

    A class that is absent and not predicted costs 0.
    """
    from monai.losses.dice import DiceLoss

    return DiceLoss(include_background=not background, to_onehot_y=True, softmax=True)


def _generalized_dice(_background: bool) -> Overlap:
    """Build MONAI's loss without smoothing.

    Smoothing is large relative to sums of n / n^2 where regions have many pixels. All classes
    count, the background, too, as in Sudre et al. An absent class would have an infinite weight;
    it gets that of the rarest class present, as in MONAI.
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
    """Raise the Tversky loss of each class to the power 3/4, then average; not in MONAI."""
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
            "Milletari et al. (2016), without their squares",
        ),
        RegionLossFactory(
            "generalized_dice",
            "One overlap of all classes, each weighted by 1 / (its pixels)^2.",
            _generalized_dice,
            "Sudre et al. (2017)",
        ),
        RegionLossFactory(
            "tversky",
            "As dice, but a missed pixel costs 0.7 and a false one 0.3.",
            _tversky,
            "Salehi et al. (2017)",
        ),
        RegionLossFactory(
            "focal_tversky",
            "tversky to the power 3/4: classes that overlap well still matter.",
            _focal_tversky,
            "Abraham and Khan (2019)",
        ),
        RegionLossFactory(
            "ce_dice",
            "Cross-entropy of every pixel plus dice.",
            _ce_dice,
            "Isensee et al. (2021), the default of nnU-Net",
        ),
    )
}
FAMILY = Family(
    name="region_losses",
    summary="Losses of a segmenter in dense mode.",
    members=REGION_LOSSES,
)

"""What trainings descend: the loss of a classifier's batch, and the progress of any loss."""

from dataclasses import dataclass

from torch import Tensor, nn

from equipoise.estimators.scoring import channels_last
from equipoise.losses.base import ImbalanceLoss
from equipoise.losses.regions import DenseLoss
from equipoise.training.loop import History
from equipoise.training.mixing import Mixing


@dataclass(frozen=True, kw_only=True, eq=False)
class RowLoss:
    """The weighted mean of a loss over a batch, whose images may be mixed.

    The batches of a classifier contain row numbers in place of labels: a row determines the class
    and the weight of an image, and a batch stays a pair of tensors as in every other training.

    Attributes:
        network: Images to logits.
        loss: Logits and classes to a weighted mean.
        codes: (n,) class of each row, on the device.
        weights: (n,) weight of each row, on the device. The weighted terms are divided by the batch
            size, so that a weight below 1 shrinks the gradient of its image.
        mixing: Mixes the images of a batch; None leaves them. The loss of a mixed image is that of
            its two labels, weighted by their shares and by the weight of the image of each label.
    """

    network: nn.Module
    loss: ImbalanceLoss
    codes: Tensor
    weights: Tensor
    mixing: Mixing | None = None

    def __call__(self, images: Tensor, rows: Tensor) -> Tensor:
        """Map images (b, c, h, w) in [0, 1] and their rows (b,) to a scalar."""
        if self.mixing is None:
            return self._mean(self._logits(images), rows, 1.0)
        mixed = self.mixing(images, self.codes[rows])
        logits = self._logits(mixed.images)
        second = self._mean(logits, rows[mixed.partners], 1.0 - mixed.shares)
        return self._mean(logits, rows, mixed.shares) + second

    def _logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(channels_last(images))
        return logits.float()

    def _mean(self, logits: Tensor, rows: Tensor, shares: Tensor | float) -> Tensor:
        mean: Tensor = self.loss(logits, self.codes[rows], self.weights[rows] * shares)
        return mean


@dataclass(frozen=True, eq=False)
class AdvanceLoss:
    """A training hook that reports progress to a loss whose weights change during training."""

    loss: ImbalanceLoss | DenseLoss
    n_steps: int

    def __call__(self, done: int, history: History) -> None:
        """Report the share of finished steps, 0 to 1."""
        self.loss.advance(done / self.n_steps)


def divergence_advice(learning_rate: float) -> str:
    """Return what to change after a loss became NaN or infinite."""
    return f"Lower learning_rate (now {learning_rate:g}), or use precision='32-true'."

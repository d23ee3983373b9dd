"""What a classifier descends: the loss of a batch, from its images and their rows."""

from dataclasses import dataclass

from torch import Tensor, nn

from equipoise.estimators.scoring import channels_last
from equipoise.losses.base import ImbalanceLoss
from equipoise.training.mixing import Mixing


@dataclass(frozen=True, kw_only=True, eq=False)
class RowLoss:
    """The weighted mean of the loss's terms over a batch, of blends where images are mixed.

    The batches of a classifier carry rows in the place of labels: a row tells all that is known of an image, its
    class and its weight, and a batch stays a pair for every other network.

    Attributes:
        network: Images to logits.
        loss: Logits and classes to terms.
        codes: (n,) class of each row, on the device.
        weights: (n,) weight of each row, on the device. Terms times weights are divided by the number of terms, so
            that a weight below 1 shrinks the step that its image causes.
        mixing: Blends the images of a batch; None leaves them. Then the term of a blend is that of each of its
            two labels, by their shares, each with the weight of its own image.
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

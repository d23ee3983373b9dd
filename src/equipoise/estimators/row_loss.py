"""What trainings descend: the loss of a classifier's batch, and the progress of any loss."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
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
        piece_size: Most images that pass through the network at once in `parts`.
    """

    network: nn.Module
    loss: ImbalanceLoss
    codes: Tensor
    weights: Tensor
    mixing: Mixing | None = None
    piece_size: int | None = None

    def __call__(self, images: Tensor, rows: Tensor) -> Tensor:
        """Map images (b, c, h, w) in [0, 1] and their rows (b,) to a scalar."""
        if self.mixing is None:
            return self._mean(self._logits(images), rows, 1.0)
        mixed = self.mixing(images, self.codes[rows])
        logits = self._logits(mixed.images)
        second = self._mean(logits, rows[mixed.partners], 1.0 - mixed.shares)
        return self._mean(logits, rows, mixed.shares) + second

    def parts(self, images: Tensor, rows: Tensor) -> Iterator[Tensor]:
        """Yield the parts of the loss of random pieces of a batch; their sum is its loss.

        The batch is mixed as a whole. Batch norm sees pieces. No piece has a single image.
        """
        n = len(rows)
        shares = torch.ones(n, device=images.device)
        partners = rows
        if self.mixing is not None:
            mixed = self.mixing(images, self.codes[rows])
            images, shares, partners = mixed.images, mixed.shares, rows[mixed.partners]
        for piece in random_pieces(n, self.piece_size or n, images.device):
            logits = self._logits(images[piece])
            mean = self._mean(logits, rows[piece], shares[piece])
            if self.mixing is not None:
                mean = mean + self._mean(logits, partners[piece], 1.0 - shares[piece])
            yield mean * (len(piece) / n)

    def _logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(channels_last(images))
        return logits.float()

    def _mean(self, logits: Tensor, rows: Tensor, shares: Tensor | float) -> Tensor:
        mean: Tensor = self.loss(logits, self.codes[rows], self.weights[rows] * shares)
        return mean


def random_pieces(n: int, size: int, device: torch.device) -> tuple[Tensor, ...]:
    """Cut the rows of a batch into random pieces that are nearly equal, by torch's generator.

    They have at most `size` rows, but never one alone, for which batch norm has no variance.
    """
    n_pieces = max(1, min(-(-n // size), n // 2))
    return torch.randperm(n, device=device).tensor_split(n_pieces)


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

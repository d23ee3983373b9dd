"""Running average of a network's weights: what images are sampled from."""

from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn

from equipoise.training.loop import History


class ExponentialAverage:
    """A hook that averages a network's weights; buffers are copied, or averaged too.

    The average over the first steps would remember the untrained network for a long time, so its
    half-life is at most the share `ramp` of the steps done: decay_t = min(decay, 0.5^(1 / (ramp
    t))). It is `Stateful`: put it into the checkpoint's parts.

    Args:
        source: The network; the average starts from its weights.
        decay: Weight of the old average, at most.
        ramp: See above; `math.inf` for a constant decay.
        average_buffers: Average floating-point buffers like weights, so that the statistics of a
            batch norm are those along the same steps. Counters are copied.

    Source: Averaging: Polyak and Juditsky (1992); exponential, with averaged buffers, as torch's
    `AveragedModel(use_buffers=True)`. Ramp: the code of Karras et al. (2020), arXiv 1912.04958
    (`ema_rampup`).

    Attributes:
        network: The averaged network, in eval mode.
    """

    def __init__(
        self,
        source: nn.Module,
        *,
        decay: float = 0.999,
        ramp: float = 0.05,
        average_buffers: bool = False,
    ) -> None:
        self.source = source
        self.decay = decay
        self.ramp = ramp
        self.average_buffers = average_buffers
        self.network = deepcopy(source).eval().requires_grad_(False)

    def __call__(self, done: int, history: History) -> None:
        """Take the weights after `done` steps into the average."""
        decay = self.decay_at(done)
        with torch.no_grad():
            for mean, new in zip(self.network.parameters(), self.source.parameters(), strict=True):
                mean.lerp_(new, 1.0 - decay)
            for old, live in zip(self.network.buffers(), self.source.buffers(), strict=True):
                if self.average_buffers and old.is_floating_point():
                    old.lerp_(live, 1.0 - decay)
                else:
                    old.copy_(live)

    def decay_at(self, done: int) -> float:
        """Return the weight of the old average at a step; `ramp=math.inf` makes it constant.

        Example:
            >>> average = ExponentialAverage(nn.Linear(1, 1), decay=0.999, ramp=0.05)
            >>> average.decay_at(20), average.decay_at(100_000)
            (0.5, 0.999)
        """
        return min(self.decay, 0.5 ** (1.0 / (self.ramp * done))) if done else 0.0

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averaged weights."""
        return self.network.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore averaged weights."""
        self.network.load_state_dict(state)


def refresh_batch_norm(network: nn.Module, inputs: Iterable[tuple[Tensor, ...]]) -> None:
    """Recompute the statistics of every batch norm over `inputs`; ends in evaluation mode.

    The statistics copied from the live network belong to its weights, not to averaged ones.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    network.train()
    with torch.no_grad():
        for arguments in inputs if norms else ():
            network(*arguments)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()

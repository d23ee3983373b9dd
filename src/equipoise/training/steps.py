"""One update of one network."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


@dataclass(kw_only=True)
class LossStep:
    """Descends a loss by one step.

    Attributes:
        loss: Images (b, c, *spatial) in [0, 1] and labels (b,) to a scalar.
        optimizer: Updates the parameters that `loss` depends on.
        schedule: Its learning rate, stepped with it.
        autocast: Gives the context in which `loss` runs.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    optimizer: Optimizer
    schedule: LRScheduler | None = None
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext

    def __call__(self, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Update; return {"loss": scalar}, which stays on the device."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            loss = self.loss(images, labels)
        torch.autograd.backward(loss)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        return {"loss": loss.detach()}

"""The one training loop: steps, hooks, a record of what happened, exact resume."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from equipoise.exceptions import DivergedError
from equipoise.training.chance import isolated_chance, repeatable_kernels, seed_step
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.progress import report

Batch = tuple[Tensor, Tensor]  # images (b, c, *spatial), labels (b,)
Step = Callable[[Tensor, Tensor], Mapping[str, Tensor]]  # one optimizer update -> scalars
Batches = Callable[[int], Batch]  # the batch of a step, whatever was drawn before


@dataclass
class History:
    """The record of a fit: one row per `log_every` steps (means over them), and what hooks add.

    Scalars stay on the device until a row is due, so that logging does not stall it.

    Attributes:
        log_every: Steps per row.
        advice: What to change when training diverges; part of the error.
        rows: Values by name; "step" is the number of steps done.
    """

    log_every: int = 10
    advice: str = "Lower the learning rate, or train with precision='32-true'."
    rows: list[dict[str, float]] = field(default_factory=list)
    _pending: list[Mapping[str, Tensor]] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """True when no scalar waits for its row; only then may a checkpoint be written."""
        return not self._pending

    def record(self, done: int, scalars: Mapping[str, Tensor]) -> None:
        """Add the scalars of the step after which `done` steps are done.

        Raises:
            DivergedError: A scalar of the last `log_every` steps is not finite; names the scalar
                and the step.
        """
        self._pending.append(scalars)
        if len(self._pending) >= self.log_every:
            self.flush(done)

    def add(self, done: int, values: Mapping[str, float]) -> None:
        """Add a row, or add to the row of that step (used by hooks)."""
        if not self.rows or self.rows[-1]["step"] != done:
            self.rows.append({"step": done})
        self.rows[-1].update(values)

    def flush(self, done: int) -> None:
        """Turn the pending scalars into a row."""
        if not self._pending:
            return
        names = list(self._pending[0])
        steps = []
        for scalars in self._pending:
            steps.append(torch.stack([scalars[name].detach().float() for name in names]))
        values = torch.stack(steps).cpu()  # (steps, names)
        if not torch.isfinite(values).all():
            offset, column = torch.nonzero(~torch.isfinite(values))[0].tolist()
            step = done - len(self._pending) + 1 + offset
            raise DivergedError(
                f"{names[column]} became {values[offset, column]} at step {step}. {self.advice}"
            )
        self._pending.clear()
        self.add(done, dict(zip(names, values.mean(dim=0).tolist(), strict=True)))

    def column(self, name: str) -> list[tuple[int, float]]:
        """Return (step, value) of one name, where it was recorded."""
        return [(int(row["step"]), row[name]) for row in self.rows if name in row]


class Hook(Protocol):
    """Called after every step with the number of steps done; True stops the fit."""

    def __call__(self, done: int, history: History) -> bool | None:
        """Record, average, or stop."""


@dataclass(kw_only=True)
class LossStep:
    """Descends a loss by one step: one update of one network.

    Attributes:
        loss: Images (b, c, *spatial) in [0, 1] and labels (b,) -> scalar.
        optimizer: Updates the parameters of the network.
        schedule: Its learning rate, stepped after every update.
        autocast: Returns the context in which `loss` runs.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    optimizer: Optimizer
    schedule: LRScheduler | None = None
    autocast: Callable[[], AbstractContextManager[None]] = nullcontext

    def __call__(self, images: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Update; return {"loss": scalar}, which stays on the device."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.backward(images, labels)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        return {"loss": loss}

    def backward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Add the gradients of a batch to those of the parameters; return its loss, detached."""
        with self.autocast():
            loss = self.loss(images, labels)
        torch.autograd.backward(loss)
        return loss.detach()


@dataclass(kw_only=True)
class AccumulatingStep(LossStep):
    """A `LossStep` whose batch passes through the network in pieces, which bounds the memory.

    Attributes:
        parts: Images and labels of a batch -> scalars, one for each piece, whose sum is `loss`.
            Each is computed when the gradients of the one before have been accumulated.
    """

    parts: Callable[[Tensor, Tensor], Iterator[Tensor]]

    def backward(self, images: Tensor, labels: Tensor) -> Tensor:
        """See `LossStep`."""
        losses: list[Tensor] = []
        parts = self.parts(images, labels)
        while True:
            with self.autocast():
                part = next(parts, None)
            if part is None:
                return torch.stack(losses).sum()
            torch.autograd.backward(part)
            losses.append(part.detach())


def train(
    step: Step,
    batches: Batches,
    *,
    n_steps: int,
    seed: int,
    hooks: Sequence[Hook] = (),
    checkpoint: Checkpoint | None = None,
    history: History | None = None,
    name: str = "training",
) -> History:
    """Repeat `step` on the batches 0 .. n_steps - 1.

    Step t seeds itself from (seed, t) and its batch is `batches(t)`: a fit that was killed and is
    called again with the same checkpoint ends in the same weights, to the bit on the same machine.

    Args:
        step: One update.
        batches: Returns the batch of a step.
        n_steps: Number of steps.
        seed: Seed of the fit.
        hooks: Called after every step, in this order.
        checkpoint: Where the fit is saved and resumed from; None does neither.
        history: Where the fit is recorded; a new one if None.
        name: Name of the fit: part of its seed and of its progress reports.

    Returns:
        The history.

    Raises:
        DivergedError: A scalar that `step` returned is NaN or infinite.

    Example:
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> step = LossStep(loss=lambda x, y: (model(x) - y).square().mean(), optimizer=optimizer)
        >>> batch = (torch.ones(4, 2), torch.ones(4, 1))
        >>> history = train(step, lambda t: batch, n_steps=20, seed=0)
        >>> [row["step"] for row in history.rows]
        [10, 20]
    """
    history = history or History()
    done, stopped = 0, False
    state = checkpoint.restore() if checkpoint else None
    if state is not None:
        done, stopped = state["done"], state["stopped"]
        history.rows[:] = state["rows"]
    with isolated_chance(seed, name), repeatable_kernels():
        while done < n_steps and not stopped:
            seed_step(seed, name, done)
            scalars = step(*batches(done))
            done += 1
            history.record(done, scalars)
            for hook in hooks:
                stopped = bool(hook(done, history)) or stopped
            report(name, done, n_steps)
            if checkpoint and history.settled and checkpoint.due():
                checkpoint.save({"done": done, "stopped": stopped, "rows": history.rows})
        history.flush(done)
    return history

"""The one training loop: steps, hooks, a record of what happened, exact resume."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from equipoise.exceptions import DivergedError
from equipoise.training.chance import isolated_chance, repeatable_kernels, seed_step
from equipoise.training.checkpoint import Checkpoint
from equipoise.training.progress import report

Batch = tuple[Tensor, Tensor]  # images (b, c, *spatial), labels (b,)
Step = Callable[[Tensor, Tensor], Mapping[str, Tensor]]  # one optimizer update -> scalars
Batches = Callable[[int], Batch]  # the batch of a step, whatever was drawn before


@dataclass
class History:
    """What a fit recorded: one row for each `log_every` steps (means over them), and what hooks add.

    Scalars stay on the device until a row is due, so that logging does not stall it.
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
        """Keep the scalars of the step that makes `done` steps.

        Raises:
            DivergedError: A scalar of the last `log_every` steps is not finite; names it and the step.
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
        values = torch.stack(
            [torch.stack([s[name].detach().float() for name in names]) for s in self._pending]
        )
        values = values.cpu()
        if not torch.isfinite(values).all():
            offset, column = torch.nonzero(~torch.isfinite(values))[0].tolist()
            where = done - len(self._pending) + 1 + offset
            raise DivergedError(
                f"{names[column]} became {values[offset, column]} at step {where}. {self.advice}"
            )
        self._pending.clear()
        self.add(done, dict(zip(names, values.mean(dim=0).tolist(), strict=True)))

    def column(self, name: str) -> list[tuple[int, float]]:
        """Give (step, value) for one name, where it was recorded."""
        return [(int(row["step"]), row[name]) for row in self.rows if name in row]


class Hook(Protocol):
    """Called after every step with the number of steps done; True stops the fit."""

    def __call__(self, done: int, history: History) -> bool | None:
        """Look, record, average, stop."""


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

    Step t draws its chance from (seed, t) and its batch is `batches(t)`: a fit that was killed and is called
    again with the same checkpoint ends in the same weights, bit for bit on the same machine.

    Raises:
        DivergedError: A scalar that `step` returned is NaN or infinite.
    """
    history = history or History()
    done, stopped = _resume(checkpoint, history)
    with isolated_chance(seed, name), repeatable_kernels():
        while done < n_steps and not stopped:
            seed_step(seed, name, done)
            scalars = step(*batches(done))
            done += 1
            history.record(done, scalars)
            wishes = [hook(done, history) for hook in hooks]
            stopped = any(wishes)
            report(name, done, n_steps)
            if checkpoint and history.settled and checkpoint.due():
                checkpoint.save(_state(done, stopped, history))
        history.flush(done)
    return history


def _resume(checkpoint: Checkpoint | None, history: History) -> tuple[int, bool]:
    state: dict[str, Any] | None = checkpoint.restore() if checkpoint else None
    if state is None:
        return 0, False
    history.rows[:] = state["rows"]
    return int(state["done"]), bool(state["stopped"])


def _state(done: int, stopped: bool, history: History) -> dict[str, Any]:
    return {"done": done, "stopped": stopped, "rows": history.rows}

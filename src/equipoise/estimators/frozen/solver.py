"""Train a head on all rows at once, by L-BFGS, for all weight decays of a grid together."""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from equipoise.estimators.frozen.lockstep import Minima, minimize_together
from equipoise.estimators.frozen.objectives import HeadObjective, Rows, objective_of
from equipoise.exceptions import DivergedError
from equipoise.losses.base import ImbalanceLoss

# For features of squared length 1; the strongest first. 1/(n decay) is scikit-learn's C.
WEIGHT_DECAYS = (1e-2, 1e-3, 3e-4, 1e-4)
MOST_ITERATIONS = 60  # of L-BFGS; a linear layer needs 5 to 20
DEFERRED_ITERATIONS = 25  # with the weights of a loss that changes late, from that result


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """A head trained with one weight decay.

    Attributes:
        weight_decay: The weight decay.
        state: State dict of the trained layers.
        objective: Loss of the training rows plus the penalty.
    """

    weight_decay: float
    state: dict[str, Tensor]
    objective: float


def solve_all(
    layers: nn.Module,
    loss: ImbalanceLoss,
    rows: Rows,
    weight_decays: Sequence[float],
    report: Callable[[int, int], None],
    *,
    scale: float = 1.0,
) -> list[Solution]:
    """Train layers for each weight decay, the strongest first, and return all results.

    They minimize the weighted mean of the loss plus half the weight decay times the squared
    weights (of cosines: the squared distance from the directions at the start, see
    `CosineObjective`); biases are free. A loss that changes during the training
    (`ImbalanceLoss.advance`) is minimized in its first form, then for some iterations in its last.
    Every step sees all rows, and a linear layer with a convex loss has one optimum, so that
    nothing depends on a seed.

    A single layer is trained for all weight decays together, so that they share each pass over the
    rows; several layers for one after the other, each from the result of the last.

    Args:
        layers: Map `rows.inputs` to logits, up to the scale; end with the weights of the last
            solution.
        loss: Left in its last form.
        rows: Training rows.
        weight_decays: At least one.
        report: Called with the number of solutions done, and of all.
        scale: Factor of the logits.
    """
    decays = sorted(weight_decays, reverse=True)
    loss.advance(0.0)
    objective = objective_of(layers, loss, rows, decays, scale)
    groups = [list(range(len(decays)))]
    if objective.one_by_one:
        groups = [[i] for i in range(len(decays))]
    starts = objective.start()
    solutions: list[Solution] = []
    for group in groups:
        first = _minimize(objective, group, starts[group], MOST_ITERATIONS)
        last = first
        if changes_late(loss):
            loss.advance(1.0)
            last = _minimize(objective, group, first.points, DEFERRED_ITERATIONS)
            loss.advance(0.0)
        for i, point, value in zip(group, last.points, last.values.tolist(), strict=True):
            state = objective.state(point, i)
            solutions.append(Solution(weight_decay=decays[i], state=state, objective=value))
            report(len(solutions), len(decays))  # one by one: a jump means a resumed fit
        if objective.one_by_one:
            starts = first.points.expand(len(decays), -1)
    loss.advance(1.0)
    layers.load_state_dict(solutions[-1].state)
    return solutions


def _minimize(
    objective: HeadObjective, group: Sequence[int], start: Tensor, iterations: int
) -> Minima:
    """Minimize the objective for some of its weight decays.

    Raises:
        DivergedError: It is not finite.
    """
    numbers = torch.tensor(group, device=start.device)

    def evaluate(points: Tensor, problems: Tensor) -> tuple[Tensor, Tensor]:
        return objective(points, numbers[problems])

    minima = minimize_together(
        evaluate, start, iterations=iterations, tolerance=objective.tolerance
    )
    for value in minima.values.tolist():
        if not math.isfinite(value):
            raise DivergedError(
                f"The loss of the head became {value}, with weight decays from "
                f"{float(objective.decays[-1]):g} on. Check the features, or use another loss."
            )
    return minima


def changes_late(loss: ImbalanceLoss) -> bool:
    """Return whether a loss has another form at the end of the training than at its start."""
    late = deepcopy(loss)
    late.advance(0.0)
    early_state = deepcopy(late.state_dict())
    late.advance(1.0)
    for name, tensor in late.state_dict().items():
        if not torch.equal(tensor, early_state[name]):
            return True
    return False

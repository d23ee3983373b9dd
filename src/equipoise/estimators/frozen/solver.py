"""Train a head on all rows at once, by L-BFGS, for each weight decay of a grid."""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from equipoise.exceptions import DivergedError
from equipoise.losses.base import ImbalanceLoss

# For features of squared length 1; the strongest first. 1/(n decay) is scikit-learn's C.
WEIGHT_DECAYS = (1e-2, 1e-3, 3e-4, 1e-4)
MOST_ITERATIONS = 60  # of L-BFGS for each weight decay; the next one starts from its result
DEFERRED_ITERATIONS = 25  # with the weights of a loss that changes late, from that result
GRADIENT = 2e-5  # largest element of the gradient at which a head counts as trained


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """What a head is trained on.

    Attributes:
        inputs: (n, d) inputs of the module that is trained.
        codes: (n,) classes.
        weights: (n,) weight of each row in the loss.
    """

    inputs: Tensor
    codes: Tensor
    weights: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """A head trained with one weight decay.

    Attributes:
        weight_decay: The weight decay.
        state: State dict of the head.
        objective: Loss of the training rows plus the penalty.
    """

    weight_decay: float
    state: dict[str, Tensor]
    objective: float


def solve_all(
    module: nn.Module,
    loss: ImbalanceLoss,
    rows: Rows,
    weight_decays: Sequence[float],
    report: Callable[[int, int], None],
) -> list[Solution]:
    """Train a module for each weight decay, the strongest first, and return all results.

    The module minimizes the weighted mean of the loss plus half the weight decay times the squared
    weights; biases are free. A loss that changes during the training (`ImbalanceLoss.advance`) is
    minimized in its first form, then for some iterations in its last. Every step sees all rows, and
    a linear layer with a convex loss has one optimum, so that nothing depends on a seed.

    Args:
        module: Maps `rows.inputs` to logits; ends with the weights of the last solution.
        loss: Left in its last form.
        rows: Training rows.
        weight_decays: At least one.
        report: Called with the number of solutions done, and of all.
    """
    deferred = changes_late(loss)
    solutions = []
    for i, weight_decay in enumerate(sorted(weight_decays, reverse=True)):
        loss.advance(0.0)
        objective = minimize(module, loss, rows, weight_decay, MOST_ITERATIONS)
        first = deepcopy(module.state_dict())
        if deferred:
            loss.advance(1.0)
            objective = minimize(module, loss, rows, weight_decay, DEFERRED_ITERATIONS)
        solutions.append(
            Solution(
                weight_decay=weight_decay,
                state=deepcopy(module.state_dict()),
                objective=objective,
            )
        )
        module.load_state_dict(first)
        report(i + 1, len(weight_decays))
    loss.advance(1.0)
    module.load_state_dict(solutions[-1].state)
    return solutions


def minimize(
    module: nn.Module, loss: ImbalanceLoss, rows: Rows, weight_decay: float, iterations: int
) -> float:
    """Minimize the penalized loss by L-BFGS with a strong Wolfe line search; return its value.

    Raises:
        DivergedError: The objective is not finite.
    """
    optimizer = torch.optim.LBFGS(
        module.parameters(),
        max_iter=iterations,
        max_eval=2 * iterations,
        tolerance_grad=GRADIENT,
        tolerance_change=1e-9,
        history_size=10,
        line_search_fn="strong_wolfe",
    )
    weights = [parameter for parameter in module.parameters() if parameter.ndim > 1]

    def objective() -> Tensor:
        value: Tensor = loss(module(rows.inputs).float(), rows.codes, rows.weights)
        for weight in weights:
            value = value + 0.5 * weight_decay * weight.square().sum()
        return value

    def closure() -> float:
        optimizer.zero_grad(set_to_none=True)
        value = objective()
        torch.autograd.backward(value)
        return finite(float(value.detach()), weight_decay)

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return finite(float(objective()), weight_decay)


def finite(objective: float, weight_decay: float) -> float:
    """Return the value of an objective.

    Raises:
        DivergedError: It is NaN or infinite.
    """
    if not math.isfinite(objective):
        raise DivergedError(
            f"The loss of the head became {objective} with weight decay {weight_decay:g}. Check "
            "the features, or use another loss."
        )
    return objective


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

"""L-BFGS for several minimizations at once, so that they share every pass over the data."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# points (q, m) and their problems (q,) -> values (q,) in float64, and gradients (q, m)
Evaluate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

HISTORY = 10  # pairs of steps and changes of the gradient that approximate the curvature
MOST_TRIALS = 12  # step lengths that are tried along a direction
DECREASE = 1e-4  # least decrease, as a share of what the slope promises (Armijo)
ROUNDING = 1e-7  # relative error of a value that does not count as an increase


@dataclass(frozen=True, kw_only=True, eq=False)
class Minima:
    """Where minimizations have ended.

    Attributes:
        points: (p, m) one for each problem.
        values: (p,) of the objectives, float64.
        n_evaluations: Calls of the objective.
    """

    points: Tensor
    values: Tensor
    n_evaluations: int


def minimize_together(
    evaluate: Evaluate, start: Tensor, *, iterations: int, tolerance: float
) -> Minima:
    """Minimize p functions of m variables by L-BFGS; all take each step together.

    A problem whose gradient is small enough is left out of later evaluations. Nothing is random.

    Args:
        evaluate: Computes values and gradients of some problems.
        start: (p, m) first points.
        iterations: Most steps of a problem.
        tolerance: Largest absolute element of the gradient at which a problem is solved.

    Source: Liu and Nocedal (1989), Algorithm 2.1. Difference: a step is shortened until the value
    has decreased enough (Armijo), and a pair of negative curvature is left out, where theirs
    satisfies the conditions of Wolfe.

    Example:
        >>> def evaluate(points, problems):
        ...     offsets = points - problems[:, None]
        ...     return offsets.square().sum(1).double() / 2, offsets
        >>> minimize_together(evaluate, torch.zeros(2, 3), iterations=9, tolerance=1e-6).points
        tensor([[0., 0., 0.],
                [1., 1., 1.]])
    """
    everything = torch.arange(len(start), device=start.device)
    points = start
    values, gradients = evaluate(points, everything)
    history = _History()
    n_evaluations = 1
    moving = torch.ones(len(start), dtype=torch.bool, device=start.device)
    for iteration in range(iterations):
        moving = moving & (gradients.abs().amax(dim=1) > tolerance)
        if not bool(moving.any()):
            break
        directions = -history.applied_to(gradients)
        slopes = (directions * gradients).sum(dim=1)
        uphill = slopes >= 0
        directions = torch.where(uphill[:, None], -gradients, directions)
        slopes = (directions * gradients).sum(dim=1)
        lengths = torch.ones_like(slopes)
        if iteration == 0:
            lengths = (1.0 / gradients.norm(dim=1).clamp(min=1e-30)).clamp(max=1.0)
        search = _LineSearch(
            evaluate=evaluate, points=points, values=values, directions=directions, slopes=slopes
        )
        n_evaluations += search.run(moving, lengths, gradients)
        history.add(search.new_points - points, search.new_gradients - gradients)
        points, values, gradients = search.new_points, search.new_values, search.new_gradients
        moving = moving & ~search.stuck
    return Minima(points=points, values=values, n_evaluations=n_evaluations)


class _History:
    """Pairs of steps and changes of the gradient, and the inverse curvature that they imply."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Tensor, Tensor, Tensor]] = []  # (p, m), (p, m), 1 / product (p, 1)
        self._scale: Tensor | None = None  # (p, 1)

    def add(self, steps: Tensor, changes: Tensor) -> None:
        """Add a pair (p, m) each; problems that did not move, or whose pair is bad, have none."""
        products = (steps * changes).sum(dim=1, keepdim=True)
        squares = changes.square().sum(dim=1, keepdim=True)
        good = products > 1e-10 * squares.clamp(min=1e-30)
        inverse = torch.where(good, 1.0 / products.where(good, torch.ones_like(products)), 0.0)
        self._pairs = [*self._pairs, (steps, changes, inverse)][-HISTORY:]
        scale = torch.ones_like(products) if self._scale is None else self._scale
        self._scale = torch.where(good, products / squares.clamp(min=1e-30), scale)

    def applied_to(self, gradients: Tensor) -> Tensor:
        """Multiply the inverse curvature by gradients (p, m): the two loops of L-BFGS."""
        result = gradients.clone()
        shares = []
        for steps, changes, inverse in reversed(self._pairs):
            share = inverse * (steps * result).sum(dim=1, keepdim=True)
            result -= share * changes
            shares.append(share)
        if self._scale is not None:
            result *= self._scale
        for (steps, changes, inverse), share in zip(self._pairs, reversed(shares), strict=True):
            result += (share - inverse * (changes * result).sum(dim=1, keepdim=True)) * steps
        return result


@dataclass(kw_only=True, eq=False)
class _LineSearch:
    """One step of every moving problem along its direction."""

    evaluate: Evaluate
    points: Tensor
    values: Tensor
    directions: Tensor
    slopes: Tensor

    def run(self, moving: Tensor, lengths: Tensor, gradients: Tensor) -> int:
        """Step; `stuck` are the problems without a decrease. Return the number of evaluations."""
        self.new_points = self.points.clone()
        self.new_values, self.new_gradients = self.values.clone(), gradients.clone()
        self.stuck = moving.clone()
        for trial in range(MOST_TRIALS):
            rows = self.stuck.nonzero()[:, 0]
            length, slope = lengths[rows], self.slopes[rows].double()
            candidates = self.points[rows] + length[:, None] * self.directions[rows]
            values, of_candidates = self.evaluate(candidates, rows)
            slack = ROUNDING * self.values[rows].abs()
            accepted = values <= self.values[rows] + DECREASE * length * slope + slack
            done = rows[accepted]
            self.new_points[done] = candidates[accepted]
            self.new_values[done] = values[accepted]
            self.new_gradients[done] = of_candidates[accepted]
            self.stuck[done] = False
            if not bool(self.stuck.any()):
                return trial + 1
            # the minimum of the parabola through the value, the slope and the rejected value
            excess = values - self.values[rows] - slope * length
            minimum = (-slope * length**2 / (2.0 * excess)).nan_to_num(0.0).to(length)
            shorter = torch.minimum(torch.maximum(minimum, 0.1 * length), 0.5 * length)
            lengths[rows] = torch.where(accepted, length, shorter)
        return MOST_TRIALS

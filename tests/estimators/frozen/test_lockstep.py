import torch
from torch import Tensor

from equipoise.estimators.frozen.lockstep import minimize_together

SPREADS = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 5.0, 20.0, 100.0]])
MINIMA = torch.tensor([[1.0, -2.0, 3.0, 0.5], [0.1, 0.2, -0.3, 0.4]])


def quadratics(points: Tensor, problems: Tensor) -> tuple[Tensor, Tensor]:
    offsets = points - MINIMA[problems]
    gradients = SPREADS[problems] * offsets
    return 0.5 * (gradients * offsets).sum(dim=1).double(), gradients


def rosenbrock(points: Tensor, _problems: Tensor) -> tuple[Tensor, Tensor]:
    points = points.detach().requires_grad_(True)
    x, y = points[:, 0], points[:, 1]
    values = (1 - x) ** 2 + 100 * (y - x**2) ** 2
    (gradients,) = torch.autograd.grad(values.sum(), points)
    return values.detach().double(), gradients


def test_quadratics_of_different_shape_are_solved_together() -> None:
    result = minimize_together(quadratics, torch.zeros(2, 4), iterations=60, tolerance=1e-4)
    torch.testing.assert_close(result.points, MINIMA, atol=1e-3, rtol=0.0)
    assert result.n_evaluations < 25  # plain gradient descent needs hundreds


def test_a_problem_does_not_depend_on_the_others() -> None:
    both = minimize_together(quadratics, torch.zeros(2, 4), iterations=60, tolerance=1e-4)
    alone = minimize_together(quadratics, torch.zeros(1, 4), iterations=60, tolerance=1e-4)
    assert torch.equal(both.points[0], alone.points[0])


def test_a_curved_valley_is_followed_to_its_end() -> None:
    start = torch.tensor([[-1.2, 1.0], [2.0, 2.0]])
    result = minimize_together(rosenbrock, start, iterations=100, tolerance=1e-3)
    torch.testing.assert_close(result.points, torch.ones(2, 2), atol=1e-2, rtol=0.0)


def test_values_never_rise_and_a_minimum_is_not_left() -> None:
    values: list[float] = []
    for iterations in range(12):
        result = minimize_together(
            rosenbrock, torch.tensor([[-1.2, 1.0]]), iterations=iterations, tolerance=1e-3
        )
        values.append(float(result.values[0]))
    assert values == sorted(values, reverse=True)
    solved = minimize_together(quadratics, MINIMA, iterations=5, tolerance=1e-4)
    assert solved.n_evaluations == 1


def test_an_infinite_start_is_returned() -> None:
    def infinite(points: Tensor, _problems: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full((len(points),), torch.nan).double(), torch.full_like(points, torch.nan)

    result = minimize_together(infinite, torch.zeros(1, 2), iterations=9, tolerance=1e-4)
    assert result.n_evaluations == 1
    assert bool(result.values.isnan().all())

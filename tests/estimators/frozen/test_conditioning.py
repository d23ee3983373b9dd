import numpy as np
import torch
from numpy.testing import assert_allclose

from equipoise.estimators.frozen.conditioning import Directions, find_directions

N, D = 300, 12
PENALTIES = torch.tensor([0.1, 1e-3])


def inputs() -> torch.Tensor:
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(D, D)))[0]
    points = rng.normal(size=(N, D)) * np.logspace(0, -2, D) @ rotation + 0.5
    return torch.as_tensor(points, dtype=torch.float32)


def weights() -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(1).uniform(0.1, 3.0, N), dtype=torch.float32)


def directions() -> Directions:
    return find_directions(inputs(), weights())


def covariance() -> np.ndarray:
    """Second moments about the weighted mean, each row weighted by its curvature."""
    points, curvatures = inputs().double().numpy(), weights().double().numpy()
    offsets = points - np.average(points, axis=0, weights=curvatures)
    return np.asarray((curvatures[:, None] * offsets).T @ offsets / N)


def test_all_directions_of_few_inputs_are_those_of_the_covariance() -> None:
    reference = np.linalg.eigvalsh(covariance())
    assert_allclose(directions().curvatures.numpy(), reference, rtol=2e-3)


def test_the_curvature_is_one_in_these_coordinates() -> None:
    unit = torch.eye(D).expand(2, D, D)
    stretch = directions().stretched(unit, PENALTIES).double().numpy()
    for matrix, penalty in zip(stretch, PENALTIES.tolist(), strict=True):
        curvature = matrix @ (covariance() + penalty * np.eye(D)) @ matrix.T
        assert_allclose(curvature, np.eye(D), atol=0.01)


def test_even_is_the_inverse_of_stretched() -> None:
    layer = torch.as_tensor(np.random.default_rng(2).normal(size=(2, 3, D)), dtype=torch.float32)
    back = directions().stretched(directions().even(layer, PENALTIES), PENALTIES)
    assert_allclose(back.numpy(), layer.numpy(), atol=1e-4)


def test_constant_inputs_and_weights_of_zero_are_survived() -> None:
    for points, curvatures in ((torch.ones(5, 3), torch.ones(5)), (inputs(), torch.zeros(N))):
        found = find_directions(points, curvatures)
        stretched = found.stretched(torch.ones(1, 2, points.shape[1]), torch.zeros(1))
        assert bool(stretched.isfinite().all())

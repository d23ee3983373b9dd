"""Each objective equals loss plus penalty of the layers whose state it returns."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from equipoise.estimators.frozen.objectives import HeadObjective, Rows, objective_of, row_curvatures
from equipoise.losses import LOSSES
from equipoise.networks.heads import CosineLinear

N, D, K = 40, 6, 3
DECAYS = (1e-1, 1e-3)
KINDS = ("linear", "cosine", "mlp")


def rows() -> Rows:
    rng = np.random.default_rng(0)
    return Rows(
        inputs=torch.as_tensor(rng.normal(size=(N, D)) + 0.3, dtype=torch.float32),
        codes=torch.arange(N) % K,
        weights=torch.as_tensor(rng.uniform(0.0, 2.0, N), dtype=torch.float32),
    )


def objective(kind: str, scale: float) -> tuple[nn.Module, HeadObjective]:
    torch.manual_seed(0)
    layers: nn.Module = CosineLinear(D, K) if kind == "cosine" else nn.Linear(D, K)
    if kind == "mlp":
        layers = nn.Sequential(nn.Linear(D, 4), nn.ReLU(), nn.Linear(4, K))
    layers.requires_grad_(False)
    loss = LOSSES["class_weights"](rows().codes.bincount())
    return layers, objective_of(layers, loss, rows(), DECAYS, scale)


@pytest.mark.parametrize("scale", [1.0, 5.0])
@pytest.mark.parametrize("kind", KINDS)
def test_values_are_loss_and_penalty_of_the_state(kind: str, scale: float) -> None:
    layers, function = objective(kind, scale)
    points = 0.3 * torch.randn(function.start().shape)
    anchors = torch.zeros(())
    if kind == "cosine":
        anchors = normalize(layers.state_dict()["weight"].clone(), dim=1)
    values, _ = function(points, torch.tensor([1, 0]))
    for value, point, number in zip(values.tolist(), points, (1, 0), strict=True):
        layers.load_state_dict(function.state(point, number))
        expected = function.loss(scale * layers(rows().inputs), rows().codes, rows().weights)
        for parameter in layers.parameters():
            penalized = parameter.detach()
            if kind == "cosine":  # how far directions are from where they start
                penalized = 25 * (normalize(penalized, dim=1) - anchors)
            if parameter.ndim > 1:
                expected = expected + 0.5 * DECAYS[number] * penalized.square().sum()
        assert value == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_differences(kind: str) -> None:
    _, function = objective(kind, 1.0)
    point = 0.3 * torch.randn(function.start()[:1].shape)
    direction = torch.randn_like(point)
    number = torch.tensor([0])
    _, gradients = function(point, number)
    step = 1e-2
    up, down = (function(point + sign * step * direction, number)[0] for sign in (1, -1))
    slope = float((up - down)[0]) / (2 * step)
    assert float((gradients * direction).sum()) == pytest.approx(slope, rel=2e-2, abs=1e-4)


@pytest.mark.parametrize("kind", ["cosine", "mlp"])
def test_training_starts_at_the_present_weights(kind: str) -> None:
    layers, function = objective(kind, 1.0)
    for name, tensor in function.state(function.start()[0], 0).items():
        torch.testing.assert_close(tensor, layers.state_dict()[name], atol=1e-5, rtol=1e-5)


def test_curvatures_are_those_of_weighted_cross_entropy() -> None:
    loss = LOSSES["cross_entropy"](rows().codes.bincount())
    estimate = row_curvatures(loss, rows(), K)
    torch.testing.assert_close(estimate, rows().weights * (K - 1) / K**2)

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from equipoise.estimators.frozen.head import FROZEN_HEADS, FrozenHead

N, VIEWS, D = 700, 2, 5


def features() -> torch.Tensor:
    points = np.random.default_rng(0).gamma(2.0, 3.0, size=(N, VIEWS, D))
    points[..., 4] = 0.1  # a constant feature, not exact in binary
    return torch.as_tensor(points, dtype=torch.float32)


def test_features_are_standardized_and_constants_become_zero() -> None:
    head = FrozenHead(D, 2, "linear")
    rows = features().flatten(0, 1)
    head.fit_standardization(rows)
    standardized = head.standardized(rows).double().numpy()
    assert_allclose(standardized.mean(axis=0), 0.0, atol=1e-6)
    assert_allclose(standardized.std(axis=0), [D**-0.5] * 4 + [0.0], atol=1e-5)
    assert float(head.factor[4]) == 0.0


def test_features_of_each_network_have_the_same_length_together() -> None:
    head = FrozenHead(D, 2, "linear")
    rows = features().flatten(0, 1)[:, [0, 1, 2, 3, 0]]
    head.fit_standardization(rows, blocks=(4, 1))
    squares = head.standardized(rows).square().mean(dim=0)
    assert float(squares[:4].sum()) == pytest.approx(0.5, rel=1e-4)
    assert float(squares[4]) == pytest.approx(0.5, rel=1e-4)


def test_cosines_are_stretched_to_one_with_the_own_class() -> None:
    rng = np.random.default_rng(0)
    codes = torch.as_tensor(np.repeat([0, 1, 2], [60, 20, 10]))
    points = rng.normal(size=(90, 40)) + 1.5 * np.eye(3, 40)[codes]
    inputs = torch.as_tensor(points, dtype=torch.float32)
    head = FrozenHead(40, 3, "cosine")
    head.start(inputs, codes)
    head.stretch_cosines(inputs, codes)
    own = head.logits(inputs).gather(1, codes[:, None])[:, 0].detach()
    means = [float(own[codes == code].mean()) for code in range(3)]
    assert np.mean(means) == pytest.approx(1.0, rel=1e-5)
    assert float(head.scale) > 1.5


@pytest.mark.parametrize("kind", [*FROZEN_HEADS])
def test_mean_logits_are_means_over_the_views(kind: str) -> None:
    head = FrozenHead(D, 3, kind, scale=2.0).requires_grad_(False)
    head.fit_standardization(features().flatten(0, 1))
    expected = head(features()).mean(dim=1)
    assert_allclose(head.mean_logits(head.view_inputs(features())), expected, atol=1e-5)

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from torch import nn

from equipoise.estimators.frozen.objectives import Rows
from equipoise.estimators.frozen.solver import changes_late, solve_all
from equipoise.exceptions import DivergedError
from equipoise.losses import LOSSES

N, D = 120, 7


def rows(seed: int = 0, *, weighted: bool = False) -> Rows:
    rng = np.random.default_rng(seed)
    codes = np.repeat([0, 1, 2], [70, 35, 15])
    points = rng.normal(size=(N, D)) + 0.8 * np.eye(3, D)[codes]
    weights = rng.uniform(0.5, 2.0, N) if weighted else np.ones(N)
    return Rows(
        inputs=torch.as_tensor(points, dtype=torch.float32),
        codes=torch.as_tensor(codes),
        weights=torch.as_tensor(weights, dtype=torch.float32),
    )


def layer() -> nn.Linear:
    linear = nn.Linear(D, 3)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def counts(data: Rows) -> torch.Tensor:
    return data.codes.bincount()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("decay", [1e-1, 1e-3])
def test_cross_entropy_is_the_logistic_regression_of_scikit_learn(
    decay: float, weighted: bool
) -> None:
    data = rows(weighted=weighted)
    linear = layer()
    loss = LOSSES["cross_entropy"](counts(data))
    solve_all(linear, loss, data, [decay], lambda _done, _total: None)
    # the mean of n terms + decay/2 |w|^2 is, times n, scikit-learn's objective with C = 1/(n decay)
    reference = LogisticRegression(C=1 / (N * decay), max_iter=5000, tol=1e-8)
    reference.fit(data.inputs.numpy(), data.codes.numpy(), sample_weight=data.weights.numpy())
    logits = linear(data.inputs).detach().softmax(dim=1).numpy()
    assert_allclose(logits, reference.predict_proba(data.inputs.numpy()), atol=2e-4)


def test_class_weights_equal_balanced_rows() -> None:
    data = rows()
    weighted, balanced = layer(), layer()
    loss = LOSSES["class_weights"](counts(data))
    solve_all(weighted, loss, data, [1e-2], lambda _done, _total: None)
    per_class = N / (3 * counts(data))
    other = Rows(inputs=data.inputs, codes=data.codes, weights=per_class[data.codes])
    plain = LOSSES["cross_entropy"](counts(data))
    solve_all(balanced, plain, other, [1e-2], lambda _done, _total: None)
    assert_allclose(weighted.weight.detach(), balanced.weight.detach(), atol=2e-3)


def test_weight_decays_are_solved_from_the_strongest_and_reported() -> None:
    reports: list[tuple[int, int]] = []
    solutions = solve_all(
        layer(), LOSSES["cross_entropy"](counts(rows())), rows(), [1e-3, 1e-1],
        lambda done, total: reports.append((done, total)),
    )  # fmt: skip
    assert [s.weight_decay for s in solutions] == [1e-1, 1e-3]
    assert reports == [(1, 2), (2, 2)]
    norms = [float(s.state["weight"].norm()) for s in solutions]
    assert norms[0] < norms[1]


def test_a_loss_that_changes_late_ends_in_its_last_form() -> None:
    data = rows()
    assert changes_late(LOSSES["ldam_drw"](counts(data)))
    assert not changes_late(LOSSES["ldam"](counts(data)))
    loss = LOSSES["ldam_drw"](counts(data))
    solve_all(layer(), loss, data, [1e-2], lambda _done, _total: None)
    late = LOSSES["ldam_drw"](counts(data))
    late.advance(1.0)
    assert torch.equal(loss.state_dict()["weights"], late.state_dict()["weights"])


def test_the_late_form_raises_the_recall_of_the_rare_class() -> None:
    data = rows()
    recalls = []
    for name in ("ldam", "ldam_drw"):
        linear = layer()
        solve_all(linear, LOSSES[name](counts(data)), data, [1e-3], lambda _d, _t: None)
        called = linear(data.inputs).argmax(dim=1)
        recalls.append(float((called[data.codes == 2] == 2).float().mean()))
    assert recalls[1] > recalls[0]


def test_weight_decays_are_solved_as_if_each_were_alone() -> None:
    data = rows(weighted=True)
    loss = LOSSES["class_weights"](counts(data))
    together = solve_all(layer(), loss, data, [1e-1, 1e-2, 1e-4], lambda _d, _t: None)
    for solution in together:
        alone = solve_all(layer(), loss, data, [solution.weight_decay], lambda _d, _t: None)
        assert solution.objective == pytest.approx(alone[0].objective, rel=1e-6)


def test_inputs_of_very_different_spread_are_solved_as_tightly() -> None:
    data = rows()
    spread = Rows(
        inputs=data.inputs * torch.logspace(0, -2, D), codes=data.codes, weights=data.weights
    )
    linear = layer()
    loss = LOSSES["cross_entropy"](counts(data))
    solve_all(linear, loss, spread, [1e-2, 1e-4], lambda _done, _total: None)
    reference = LogisticRegression(C=1 / (N * 1e-4), max_iter=9000, tol=1e-9)
    reference.fit(spread.inputs.numpy(), data.codes.numpy())
    logits = linear(spread.inputs).detach().softmax(dim=1).numpy()
    # the objective is flat along narrow inputs, and processors sum float32 in other orders
    assert_allclose(logits, reference.predict_proba(spread.inputs.numpy()), atol=5e-3)


def test_several_layers_are_trained_one_weight_decay_after_the_other() -> None:
    data = rows()
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(D, 8), nn.ReLU(), nn.Linear(8, 3))
    reports: list[tuple[int, int]] = []
    loss = LOSSES["cross_entropy"](counts(data))
    solutions = solve_all(
        layers, loss, data, [1e-2, 1e-3], lambda done, total: reports.append((done, total))
    )
    assert reports == [(1, 2), (2, 2)]
    assert solutions[1].objective < solutions[0].objective < np.log(3)


def test_an_infinite_loss_is_refused() -> None:
    data = rows()
    broken = Rows(
        inputs=data.inputs.clone().fill_(float("nan")), codes=data.codes, weights=data.weights
    )
    with pytest.raises(DivergedError, match="weight decay"):
        solve_all(
            layer(), LOSSES["cross_entropy"](counts(data)), broken, [1.0], lambda _d, _t: None
        )

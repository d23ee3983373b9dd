"""Golden values and properties of docs/methods.md 2.2 and 10.2."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from equipoise.exceptions import SettingError
from equipoise.losses import LOSSES
from equipoise.losses.cross_entropy import CrossEntropy, class_weights
from equipoise.losses.rwwce import RealWorldWeightCrossEntropy, log_one_minus, ratio_weights

W_FN = torch.tensor([1.0, 5.0, 2.0])
W_FP = torch.tensor([[0.0, 1.0, 0.5], [2.0, 0.0, 3.0], [1.0, 1.0, 0.0]])
LOGITS, TARGET = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.0, 3.0]]), torch.tensor([0, 1])
seeds = st.integers(0, 10**6)


def random_items(
    seed: int, k: int, shape: tuple[int, ...] = ()
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, target, w_fn, W_fp for k classes, float64."""
    g = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(4, k, *shape, generator=g, dtype=torch.float64)
    w_fn, W_fp = (5 * torch.rand(size, generator=g, dtype=torch.float64) for size in ((k,), (k, k)))
    return logits, torch.randint(k, (4, *shape), generator=g), w_fn, W_fp.fill_diagonal_(0.0)


def test_golden_values() -> None:
    loss = RealWorldWeightCrossEntropy(W_FN, W_FP)
    torch.testing.assert_close(
        loss.terms(LOGITS, TARGET), torch.tensor([0.312564, 16.291254]), atol=1e-5, rtol=1e-6
    )
    torch.testing.assert_close(loss(LOGITS, TARGET), torch.tensor(8.301909), atol=1e-5, rtol=1e-6)


def test_golden_gradient() -> None:
    logits = LOGITS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(
        RealWorldWeightCrossEntropy(W_FN, W_FP)(logits, TARGET), logits
    )
    expected = torch.tensor([[-0.141743, 0.112943, 0.028800], [-0.229184, -2.997064, 3.226248]])
    torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-5)


def test_golden_value_where_p_rounds_to_one() -> None:
    logits = torch.tensor([[100.0, 0.0, 0.0]], requires_grad=True)
    value = RealWorldWeightCrossEntropy(W_FN, W_FP)(logits, torch.tensor([1]))
    torch.testing.assert_close(
        value, torch.tensor(698.613706), atol=0, rtol=1e-6
    )  # 500 + 2 (100 - ln 2)
    (gradient,) = torch.autograd.grad(value, logits)
    # p = (1, 0, 0): -5 from log p_1, and 2 (1, -1/2, -1/2) from log(1 - p_0)
    torch.testing.assert_close(gradient, torch.tensor([[7.0, -6.0, -1.0]]))


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_finite_value_and_gradient_at_huge_logits(size: float) -> None:
    logits = torch.tensor([[size, 0.0, -size], [0.0, size, size]], requires_grad=True)
    for target in (torch.tensor([0, 1]), torch.tensor([2, 0])):
        value = RealWorldWeightCrossEntropy(W_FN, W_FP)(logits, target)
        (gradient,) = torch.autograd.grad(value, logits)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


@settings(deadline=None, max_examples=30)
@given(seed=seeds, k=st.integers(2, 6), shape=st.sampled_from([(), (3,), (2, 2)]))
def test_equals_a_loop_over_items_and_classes(seed: int, k: int, shape: tuple[int, ...]) -> None:
    logits, target, w_fn, W_fp = random_items(seed, k, shape)
    p = logits.softmax(dim=1).movedim(1, -1).reshape(-1, k)
    expected = torch.zeros((), dtype=torch.float64)
    for row, t in zip(p, target.flatten().tolist(), strict=True):
        expected -= w_fn[t] * row[t].log()
        for wrong in set(range(k)) - {t}:
            expected -= W_fp[t, wrong] * torch.log1p(-row[wrong])
    torch.testing.assert_close(
        RealWorldWeightCrossEntropy(w_fn, W_fp)(logits, target), expected / len(p)
    )


@settings(deadline=None, max_examples=30)
@given(seed=seeds, k=st.integers(2, 6))
def test_analytic_gradient(seed: int, k: int) -> None:
    """docs/methods.md 2.2: w_fn[t] (p - e_t) + r - p sum(r), r_j = W_fp[t, j] p_j / (1 - p_j).

    Each row sums to 0.
    """
    logits, target, w_fn, W_fp = random_items(seed, k)
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(
        RealWorldWeightCrossEntropy(w_fn, W_fp).terms(logits, target).sum(), logits
    )
    p = logits.detach().softmax(dim=1)
    one_hot = torch.eye(k, dtype=torch.float64)[target]
    r = W_fp[target] * p / (1 - p)
    expected = w_fn[target, None] * (p - one_hot) + r - p * r.sum(dim=1, keepdim=True)
    torch.testing.assert_close(gradient, expected)
    torch.testing.assert_close(gradient.sum(dim=1), torch.zeros(4, dtype=torch.float64))


def test_numerical_gradient() -> None:
    logits, target, w_fn, W_fp = random_items(0, 4, (2,))
    assert torch.autograd.gradcheck(
        lambda values: RealWorldWeightCrossEntropy(w_fn, W_fp).terms(values, target),
        logits.requires_grad_(),
    )


@settings(deadline=None, max_examples=20)
@given(seed=seeds, k=st.integers(2, 6))
def test_without_the_matrix_it_is_weighted_cross_entropy(seed: int, k: int) -> None:
    logits, target, w_fn, _ = random_items(seed, k)
    torch.testing.assert_close(
        RealWorldWeightCrossEntropy(w_fn)(logits, target), CrossEntropy(w_fn)(logits, target)
    )
    torch.testing.assert_close(
        RealWorldWeightCrossEntropy(torch.ones(k))(logits, target), cross_entropy(logits, target)
    )


@settings(deadline=None, max_examples=20)
@given(seed=seeds)
def test_two_classes_collapse_to_weighted_cross_entropy(seed: int) -> None:
    """The binary experiment of Kupas and Harangi is exactly class-weighted cross-entropy."""
    logits, target, w_fn, W_fp = random_items(seed, 2, (3,))
    collapsed = CrossEntropy(w_fn + W_fp.sum(dim=1))
    torch.testing.assert_close(
        RealWorldWeightCrossEntropy(w_fn, W_fp)(logits, target),
        collapsed(logits, target),
        rtol=1e-6,
        atol=1e-9,
    )


@settings(deadline=None, max_examples=20)
@given(seed=seeds, k=st.integers(2, 6))
def test_permuting_classes_permutes_rows_and_columns(seed: int, k: int) -> None:
    logits, target, w_fn, W_fp = random_items(seed, k)
    order = torch.randperm(k, generator=torch.Generator().manual_seed(seed))
    permuted = RealWorldWeightCrossEntropy(w_fn[order], W_fp[order][:, order])(
        logits[:, order], torch.argsort(order)[target]
    )
    torch.testing.assert_close(permuted, RealWorldWeightCrossEntropy(w_fn, W_fp)(logits, target))


def test_rows_are_true_classes_and_columns_wrong_ones() -> None:
    """The price of predicting class 2 where class 0 is true is not that of the reverse."""
    W_fp = torch.zeros(3, 3)
    W_fp[0, 2] = 1.0
    free = RealWorldWeightCrossEntropy(torch.zeros(3), W_fp)
    p = LOGITS[0].softmax(dim=0)
    torch.testing.assert_close(free(LOGITS[:1], torch.tensor([0])), -torch.log(1 - p[2]))
    assert free(LOGITS[:1], torch.tensor([2])) == 0


def test_the_scale_of_the_reference_implementation() -> None:
    loss = RealWorldWeightCrossEntropy(W_FN, W_FP)
    reference = RealWorldWeightCrossEntropy(W_FN, W_FP, divide_by_classes=True)
    torch.testing.assert_close(reference(LOGITS, TARGET), loss(LOGITS, TARGET) / 3)


@settings(deadline=None, max_examples=20)
@given(seed=seeds, k=st.integers(2, 6))
def test_log_one_minus(seed: int, k: int) -> None:
    log_p = random_items(seed, k)[0].log_softmax(dim=1)
    torch.testing.assert_close(log_one_minus(log_p), torch.log1p(-log_p.exp()))


def test_golden_ratio_preset() -> None:
    counts = torch.tensor([1727.0, 294.0])
    torch.testing.assert_close(
        ratio_weights(counts), torch.tensor([1.0, 5.874150]), atol=0, rtol=1e-6
    )
    torch.testing.assert_close(LOSSES["rwwce"](counts).get_buffer("w_fn"), ratio_weights(counts))


def test_the_named_member_is_class_weights_on_another_scale() -> None:
    counts = torch.tensor([1727.0, 294.0, 40.0])
    scale = len(counts) * counts.max() / counts.sum()
    torch.testing.assert_close(ratio_weights(counts), scale * class_weights(counts))
    values = [LOSSES[name](counts)(LOGITS, TARGET) for name in ("rwwce", "class_weights")]
    torch.testing.assert_close(values[0], scale * values[1])


@pytest.mark.parametrize(
    ("w_fn", "W_fp", "problem"),
    [
        ([1.0, 1.0], [[0.0, 1.0], [1.0, 0.1]], r"diagonal in W_fp.* 0\.1"),
        ([1.0, 1.0], [[0.0, -1.0], [1.0, 0.0]], "at least 0 in W_fp"),
        ([1.0, -1.0], [[0.0, 1.0], [1.0, 0.0]], "at least 0 in w_fn"),
        ([1.0, float("nan")], [[0.0, 1.0], [1.0, 0.0]], "finite .* w_fn"),
        ([1.0, 1.0, 1.0], [[0.0, 1.0], [1.0, 0.0]], r"got \(3,\) and \(2, 2\)"),
        ([1.0], [[0.0]], "at least 2 classes"),
    ],
)
def test_refuses_bad_weights(w_fn: list[float], W_fp: list[list[float]], problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        RealWorldWeightCrossEntropy(torch.tensor(w_fn), torch.tensor(W_fp))

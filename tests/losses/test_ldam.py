import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, softmax

from equipoise.losses import LOSSES
from equipoise.losses.ldam import LDAM, DeferredLDAM, ldam_margins

COUNTS = torch.tensor([1727.0, 294.0])
LOGITS, TARGET = torch.tensor([[0.6, 0.2], [0.1, 0.7]]), torch.tensor([0, 1])
GOLDEN = torch.tensor([0.089801, 0.048587])


@pytest.mark.parametrize(
    ("counts", "first"), [((1727.0, 294.0), 0.321169), ((4385.0, 1460.0), 0.379810)]
)
def test_golden_margins(counts: tuple[float, float], first: float) -> None:
    torch.testing.assert_close(
        ldam_margins(torch.tensor(counts)), torch.tensor([first, 0.5]), atol=1e-6, rtol=0
    )


def test_golden_values() -> None:
    loss = LOSSES["ldam"](COUNTS)
    torch.testing.assert_close(loss.terms(LOGITS, TARGET), GOLDEN, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(loss(LOGITS, TARGET), torch.tensor(0.069194), atol=1e-6, rtol=1e-5)


@settings(deadline=None, max_examples=20)
@given(counts=st.lists(st.integers(1, 10**6), min_size=2, max_size=8))
def test_margins_follow_the_fourth_root_and_the_rarest_has_the_largest(counts: list[int]) -> None:
    n = torch.tensor(counts, dtype=torch.float64)
    margins = ldam_margins(n, 0.4)
    products = margins * n**0.25
    torch.testing.assert_close(products, products[:1].expand(len(n)))
    torch.testing.assert_close(margins.max(), torch.tensor(0.4, dtype=torch.float64))


def test_equal_classes_all_have_the_largest_margin() -> None:
    torch.testing.assert_close(ldam_margins(torch.full((4,), 30.0)), torch.full((4,), 0.5))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 40.0))
def test_a_margin_only_makes_it_harder(seed: int, scale: float) -> None:
    g = torch.Generator().manual_seed(seed)
    logits, target = 2 * torch.rand(5, 2, 3, generator=g) - 1, torch.randint(2, (5, 3), generator=g)
    terms = LDAM(COUNTS, scale=scale).terms(logits, target)
    assert (terms >= cross_entropy(scale * logits, target, reduction="none") - 1e-6).all()
    no_margin = LDAM(COUNTS, scale=scale, largest_margin=0.0)
    torch.testing.assert_close(no_margin(logits, target), cross_entropy(scale * logits, target))


def test_predictions_use_the_scale_and_no_margin() -> None:
    probabilities = LOSSES["ldam"](COUNTS).probabilities(LOGITS)
    torch.testing.assert_close(probabilities, softmax(30 * LOGITS, dim=1))
    assert LOSSES["ldam"].head == LOSSES["ldam_drw"].head == "cosine"


def test_classes_are_weighted_after_four_fifths_of_the_training() -> None:
    loss = LOSSES["ldam_drw"](COUNTS)
    for progress in (0.0, 0.5, 0.7999):
        loss.advance(progress)
        torch.testing.assert_close(loss.terms(LOGITS, TARGET), GOLDEN, atol=1e-6, rtol=1e-5)
    for progress in (0.8, 1.0):
        loss.advance(progress)
        weighted = GOLDEN * torch.tensor([0.308901, 1.691099])  # docs/methods.md 2.4, beta 0.9999
        torch.testing.assert_close(loss.terms(LOGITS, TARGET), weighted, atol=1e-6, rtol=1e-5)


def test_a_state_dict_stores_whether_classes_are_weighted() -> None:
    first, second = DeferredLDAM(COUNTS), DeferredLDAM(COUNTS)
    first.advance(0.9)
    assert not torch.equal(first(LOGITS, TARGET), second(LOGITS, TARGET))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(LOGITS, TARGET), second(LOGITS, TARGET))


# --- what margins do to the border between two classes ------------------------------------------


@pytest.mark.parametrize(("margin", "rare_gets_more"), [(0.5, True), (0.0, False)])
def test_a_rare_class_gets_the_larger_part_of_a_gap(margin: float, rare_gets_more: bool) -> None:
    """Features at 0 and 30 degrees; for a border at b, l_1 - l_0 <= 2 sin(x - b).

    Where terms fall off exponentially, the best b equalizes n_k exp(-s (2 sin |x_k - b| - m_k)).
    Without margins the common class gets more of the gap; margins reverse this.
    """
    counts, x = COUNTS.double(), torch.tensor([0.0, math.pi / 6], dtype=torch.float64)
    loss = LDAM(counts, scale=40.0, largest_margin=margin)
    sines = (x[:, None] - torch.linspace(0.0, math.pi / 6, 1001)).sin()
    terms = loss.terms(
        torch.stack([-sines, sines], dim=1), torch.tensor([0, 1])[:, None].expand(2, 1001)
    )
    distances = 2 * sines[:, (counts @ terms).argmin()].abs()
    assert (distances[1] > distances[0]) == rare_gets_more
    slack = distances - loss.margins
    torch.testing.assert_close(
        slack[0] - slack[1], (counts[0] / counts[1]).log() / 40, atol=2e-3, rtol=0
    )


def test_margins_move_no_border_where_classes_overlap() -> None:
    """Where classes share features, both lie within their margins: the more frequent one wins.

    Balanced softmax prefers the rare class where its share exceeds its share in all images.
    """
    difference = torch.linspace(-1.0, 1.0, 2001)
    logits = torch.stack([-difference, difference], dim=1) / 2
    target = torch.ones(2001, dtype=torch.long)

    def best(name: str, share: float) -> float:
        loss = LOSSES[name](COUNTS)
        expected = share * loss.terms(logits, target) + (1 - share) * loss.terms(logits, 1 - target)
        return float(difference[expected.argmin()])

    assert best("ldam", 0.49) < 0 < best("ldam", 0.51)
    # 294 of 2,021 images are a share of 0.1455
    assert best("balanced_softmax", 0.14) < 0 < best("balanced_softmax", 0.15)

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from equipoise.training.mixing import ALPHA, MIXINGS, Mixed, remix_shares

NAMES = [name for name, make in MIXINGS.items() if make is not None]
COUNTS = torch.tensor([90.0, 30.0, 10.0])


def mixed(name: str, n: int = 400, seed: int = 0) -> tuple[Tensor, Tensor, Mixed]:
    torch.manual_seed(seed)
    images, labels = torch.rand(n, 1, 2, 2), torch.arange(n) % 3
    make = MIXINGS[name]
    assert make is not None
    return images, labels, make(COUNTS)(images, labels)


@pytest.mark.parametrize("name", NAMES)
def test_a_blend_lies_between_its_two_images(name: str) -> None:
    images, _, blend = mixed(name)
    assert sorted(blend.partners.tolist()) == list(range(400))
    first, second = images.flatten(1), images[blend.partners].flatten(1)
    difference = first - second
    shares = ((blend.images.flatten(1) - second) * difference).sum(1) / difference.square().sum(
        1
    ).clamp(min=1e-9)
    shares = shares[blend.partners != torch.arange(400)]
    assert shares.min() > -1e-4
    assert shares.max() < 1 + 1e-4
    # Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1))
    variance = 1 / (4 * (2 * ALPHA + 1))
    assert shares.mean() == pytest.approx(0.5, abs=4 * math.sqrt(variance / 400))
    assert shares.var() == pytest.approx(variance, rel=0.15)


@pytest.mark.parametrize("name", NAMES)
def test_labels_have_weights_between_0_and_1(name: str) -> None:
    shares = mixed(name)[2].shares
    assert shares.shape == (400,)
    assert ((shares >= 0) & (shares <= 1)).all()  # the other label has the rest: the two sum to 1


def test_mixup_weighs_labels_like_images() -> None:
    images, _, blend = mixed("mixup")
    shares = blend.shares.view(-1, 1, 1, 1)
    torch.testing.assert_close(
        blend.images, shares * images + (1 - shares) * images[blend.partners]
    )


def test_remix_leans_in_mixed_pairs_of_unlike_classes_only() -> None:
    _, labels, plain = mixed("mixup")
    _, _, blend = mixed("remix")
    assert torch.equal(blend.images, plain.images)  # same chance, same blends
    assert torch.equal(blend.partners, plain.partners)
    leant = blend.shares != plain.shares
    rarer = labels[blend.partners] > labels  # classes are numbered from the largest to the smallest
    assert leant.any()
    assert not leant[labels == labels[blend.partners]].any()
    torch.testing.assert_close(
        blend.shares[leant], 1 - rarer[leant].float()
    )  # the rarer label takes all


@pytest.mark.parametrize(
    ("own", "size", "partner_size", "expected"),
    [
        (
            0.4,
            30,
            10,
            0.0,
        ),  # 3 times as large and less than half of the image: the rarer partner takes all
        (0.5, 30, 10, 0.5),  # half is not less than half
        (0.4, 29, 10, 0.4),  # not 3 times as large
        (0.9, 30, 10, 0.9),  # mostly the large class
        (0.6, 10, 30, 1.0),  # the same seen from the rarer image
        (0.5, 10, 30, 0.5),
        (0.6, 10, 29, 0.6),
        (0.1, 10, 30, 0.1),
        (0.3, 10, 10, 0.3),
    ],
)
def test_the_rule_of_remix(own: float, size: float, partner_size: float, expected: float) -> None:
    shares = remix_shares(torch.tensor([own]), torch.tensor([size]), torch.tensor([partner_size]))
    assert shares.item() == pytest.approx(expected)


@settings(deadline=None, max_examples=50)
@given(
    own=st.floats(0, 1, width=32), sizes=st.tuples(st.integers(1, 10_000), st.integers(1, 10_000))
)
def test_remix_treats_both_images_of_a_blend_alike(own: float, sizes: tuple[int, int]) -> None:
    first, second = (torch.tensor([float(size)], dtype=torch.float64) for size in sizes)
    share = torch.tensor([own], dtype=torch.float64)
    torch.testing.assert_close(
        remix_shares(share, first, second), 1 - remix_shares(1 - share, second, first)
    )

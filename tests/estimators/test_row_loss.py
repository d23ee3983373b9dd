from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from equipoise.estimators.row_loss import RowLoss, random_pieces
from equipoise.losses import LOSSES
from equipoise.training.mixing import MIXINGS, Mixed

COUNTS = torch.tensor([30, 10, 5])
CODES = torch.arange(12) % 3
IMAGES = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
ROWS = torch.tensor([0, 4, 5, 7, 2, 1])


def row_loss(name: str = "cross_entropy", weights: Tensor | None = None) -> RowLoss:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    weights = torch.ones(12) if weights is None else weights
    return RowLoss(network=network, loss=LOSSES[name](COUNTS), codes=CODES, weights=weights)


def terms(objective: RowLoss, images: Tensor, codes: Tensor) -> Tensor:
    return objective.loss.terms(objective.network(images), codes)


@pytest.mark.parametrize("name", LOSSES)
def test_a_row_determines_its_class(name: str) -> None:
    objective = row_loss(name)
    expected = objective.loss(objective.network(IMAGES), CODES[ROWS])
    assert torch.equal(objective(IMAGES, ROWS), expected)


def test_a_row_determines_its_weight() -> None:
    weights = torch.linspace(0, 2, 12)
    objective = row_loss(weights=weights)
    expected = (terms(objective, IMAGES, CODES[ROWS]) * weights[ROWS]).sum() / 6
    torch.testing.assert_close(objective(IMAGES, ROWS), expected)


@pytest.mark.parametrize("name", LOSSES)
def test_unmixed_images_have_the_plain_loss(name: str) -> None:
    plain = row_loss(name)

    def whole(images: Tensor, labels: Tensor) -> Mixed:
        return Mixed(images, torch.randperm(len(labels)), torch.ones(len(labels)))

    assert torch.equal(replace(plain, mixing=whole)(IMAGES, ROWS), plain(IMAGES, ROWS))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("mixing", [name for name in MIXINGS if name != "none"])
def test_a_mixed_image_has_both_labels_by_their_shares(name: str, mixing: str) -> None:
    make = MIXINGS[mixing]
    assert make is not None
    weights = torch.linspace(0.5, 1.5, 12)
    objective = replace(row_loss(name, weights), mixing=make(COUNTS))
    torch.manual_seed(3)
    value = objective(IMAGES, ROWS)
    torch.manual_seed(3)
    mixed = make(COUNTS)(IMAGES, CODES[ROWS])
    partners = ROWS[mixed.partners]
    first = terms(objective, mixed.images, CODES[ROWS]) * weights[ROWS]
    second = terms(objective, mixed.images, CODES[partners]) * weights[partners]
    torch.testing.assert_close(value, (mixed.shares * first + (1 - mixed.shares) * second).mean())


@pytest.mark.parametrize("mixing", MIXINGS)
@pytest.mark.parametrize("name", ["cross_entropy", "ldam_drw"])
def test_pieces_add_up_to_the_batch(name: str, mixing: str) -> None:
    make = MIXINGS[mixing]
    whole = row_loss(name, torch.linspace(0.5, 1.5, 12))
    whole = replace(whole, mixing=None if make is None else make(COUNTS), piece_size=4)
    torch.manual_seed(3)
    expected = whole(IMAGES, ROWS)
    torch.manual_seed(3)
    parts = list(whole.parts(IMAGES, ROWS))
    assert len(parts) == 2
    torch.testing.assert_close(torch.stack(parts).sum(), expected)


@given(n=st.integers(2, 40), size=st.integers(2, 50))
def test_pieces_are_a_partition_without_single_rows(n: int, size: int) -> None:
    pieces = random_pieces(n, size, torch.device("cpu"))
    lengths = [len(piece) for piece in pieces]
    assert sorted(torch.cat(pieces).tolist()) == list(range(n))
    assert min(lengths) >= 2
    assert max(lengths) <= max(size, 3)
    assert max(lengths) - min(lengths) <= 1


def test_gradients_reach_the_network() -> None:
    objective = row_loss()
    torch.autograd.backward(objective(IMAGES, ROWS))
    assert all(p.grad is not None and p.grad.any() for p in objective.network.parameters())

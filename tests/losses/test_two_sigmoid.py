import torch
from torch.nn import BCEWithLogitsLoss
from torch.nn.functional import one_hot, softplus

from equipoise.losses import LOSSES

LOSS = LOSSES["two_sigmoid"](torch.tensor([5, 5]))


def test_is_torchs_binary_loss_on_one_hot_targets() -> None:
    logits, target = torch.tensor([[0.3, -1.0], [2.0, 0.5], [-1.0, 0.0]]), torch.tensor([0, 1, 1])
    torch.testing.assert_close(
        LOSS(logits, target), BCEWithLogitsLoss()(logits, one_hot(target, 2).float())
    )
    # by hand, first item: -log sg(0.3) for its own class, -log(1 - sg(-1)) for the other
    first = (softplus(torch.tensor(-0.3)) + softplus(torch.tensor(-1.0))) / 2
    torch.testing.assert_close(LOSS.terms(logits, target)[0], first)


def test_probabilities_are_sigmoids_over_their_sum() -> None:
    logits = torch.tensor([[0.3, -1.0, 2.0], [-5.0, -6.0, -7.0]])
    sigmoids = logits.sigmoid()
    torch.testing.assert_close(
        LOSS.probabilities(logits), sigmoids / sigmoids.sum(dim=1, keepdim=True)
    )


def test_probabilities_exist_where_all_sigmoids_are_zero() -> None:
    chances = LOSS.probabilities(torch.tensor([[-500.0, -501.0]]))
    torch.testing.assert_close(chances, torch.tensor([[0.0, -1.0]]).softmax(dim=1))

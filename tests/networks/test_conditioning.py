"""Labels are concatenated to features, or select the weights of norms and scores."""

import pytest
import torch
from torch import Tensor, nn

from equipoise.networks.conditioning import (
    Chain,
    ConditionalBatchNorm,
    EmbeddedPlane,
    EmbeddedVector,
    Join,
    Labeled,
    OneHot,
    PlainJoin,
    Projection,
    apply_layer,
)

LABELS = torch.tensor([2, 0])
FEATURES = torch.tensor([[1.0, -4.0], [2.0, -5.0]])


@pytest.mark.parametrize(
    ("join", "shape"),
    [
        (PlainJoin(), (2, 4)),
        (OneHot(3), (2, 4)),
        (EmbeddedVector(3), (2, 4)),
        (PlainJoin(), (2, 4, 8, 8)),
        (OneHot(3), (2, 4, 8, 8)),
        (EmbeddedPlane(3, 8), (2, 4, 8, 8)),
    ],
)
def test_extra_channels_behind_the_features(join: Join, shape: tuple[int, ...]) -> None:
    features = torch.randn(shape)
    joined = join(features, LABELS)
    assert joined.shape == (2, 4 + join.extra, *shape[2:])
    assert torch.equal(joined[:, :4], features)


def test_one_hot_marks_the_label_everywhere() -> None:
    planes = OneHot(3)(torch.zeros(2, 1, 4, 4), LABELS)[:, 1:]
    assert torch.equal(planes.amin(dim=(2, 3)), torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
    assert torch.equal(planes.amin(dim=(2, 3)), planes.amax(dim=(2, 3)))


def test_conditional_batch_norm_starts_as_batch_norm() -> None:
    features = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(
        ConditionalBatchNorm(3, 4)(features, LABELS), nn.BatchNorm2d(4)(features)
    )


def test_each_label_has_its_own_weight_and_bias() -> None:
    norm, features = ConditionalBatchNorm(3, 4), torch.randn(2, 4, 8, 8)
    norm.weight.data[2], norm.bias.data[2] = 3.0, 5.0
    plain = nn.BatchNorm2d(4)(features)
    torch.testing.assert_close(norm(features, LABELS), torch.stack([5 + 3 * plain[0], plain[1]]))


def test_only_labels_of_the_batch_learn() -> None:
    norm = ConditionalBatchNorm(3, 4)
    norm(torch.randn(2, 4, 8, 8), LABELS).square().sum().backward()
    assert norm.weight.grad is not None
    assert norm.weight.grad.any(dim=1).tolist() == [True, False, True]


def test_golden_projection() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[0.0, -1.0]]]])  # phi = (3, -1)
    score = nn.Conv2d(2, 1, (1, 2))
    score.weight.data.fill_(1.0)  # 1 + 2 + 0 - 1
    score.bias = nn.Parameter(torch.tensor([0.5]))
    head = Projection(score, 2, 2)
    head.embedding.weight.data = torch.tensor([[0.0, 0.0], [10.0, 1.0]])
    assert head(features, torch.tensor([0])).tolist() == [2.5]
    assert head(features, torch.tensor([1])).tolist() == [2.5 + 30 - 1]


# --- labels reach the modules that need them ------------------------------------------------------


class Add(Labeled):
    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return features + labels[:, None]


def test_labels_go_to_those_that_take_them() -> None:
    chain = Chain(nn.ReLU(), Chain(Add()), nn.Flatten())
    assert chain(FEATURES, torch.tensor([1, 2])).tolist() == [[2.0, 1.0], [4.0, 2.0]]
    assert torch.equal(apply_layer(nn.ReLU(), FEATURES, LABELS), FEATURES.relu())


def test_names_are_those_of_sequential() -> None:
    layers = [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)]
    assert list(Chain(*layers).state_dict()) == list(nn.Sequential(*layers).state_dict())

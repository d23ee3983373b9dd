"""Labels reach the modules that take them, and no others."""

import torch
from torch import Tensor, nn

from equipoise.networks.chain import Chain, Labeled, passed


class Add(Labeled):
    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return features + labels[:, None]


X, LABELS = torch.tensor([[1.0, -4.0], [2.0, -5.0]]), torch.tensor([1, 2])


def test_labels_go_to_those_that_take_them() -> None:
    chain = Chain(nn.ReLU(), Chain(Add()), nn.Flatten())
    assert chain(X, LABELS).tolist() == [[2.0, 1.0], [4.0, 2.0]]
    assert torch.equal(passed(nn.ReLU(), X, LABELS), X.relu())


def test_names_are_those_of_sequential() -> None:
    layers = [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)]
    assert list(Chain(*layers).state_dict()) == list(nn.Sequential(*layers).state_dict())

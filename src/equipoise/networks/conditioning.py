"""How labels enter a generator and a critic: each module appends a code of the label as further channels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

EMBEDDING_SIZE = 50  # methods 4.5


class Join(nn.Module):
    """Appends `extra` channels to features (b, c, *spatial), according to labels (b,)."""

    extra: int


class Unlabeled(Join):
    """Leaves features as they are."""

    extra = 0

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """(b, c, *spatial), (b,) -> (b, c, *spatial)."""
        return features


class OneHot(Join):
    """Appends k channels, of which the label's is 1 and the others 0 (methods 4.3, paper S1)."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.extra = n_classes

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """(b, c, *spatial), (b,) -> (b, c + k, *spatial)."""
        codes = functional.one_hot(labels, self.extra).to(features.dtype)
        codes = codes.reshape(*codes.shape, *[1] * (features.ndim - 2))
        return torch.cat([features, codes.expand(-1, -1, *features.shape[2:])], dim=1)


class EmbeddedVector(Join):
    """Appends a learned vector of 50 numbers to a latent: the join `vector` of methods 4.5 (paper S2)."""

    extra = EMBEDDING_SIZE

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_classes, EMBEDDING_SIZE)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """(b, n), (b,) -> (b, n + 50)."""
        return torch.cat([features, self.embedding(labels)], dim=1)


class EmbeddedPlane(Join):
    """Appends one learned map per label: embedding, then linear (`plane` and `map` of methods 4.5)."""

    extra = 1

    def __init__(self, n_classes: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.embedding = nn.Embedding(n_classes, EMBEDDING_SIZE)
        self.linear = nn.Linear(EMBEDDING_SIZE, side * side)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """(b, c, side, side), (b,) -> (b, c + 1, side, side)."""
        plane = self.linear(self.embedding(labels)).reshape(-1, 1, self.side, self.side)
        return torch.cat([features, plane], dim=1)


@dataclass(frozen=True)
class Conditioning:
    """Where labels enter: into the latent, into the generator's smallest map, and into the critic's image."""

    into_latent: Callable[[int], Join]  # n_classes -> module
    into_map: Callable[[int, int], Join]  # n_classes, side -> module
    into_image: Callable[[int, int], Join]  # n_classes, side -> module


def _nowhere(*_: int) -> Join:
    return Unlabeled()


def _one_hot(n_classes: int, _side: int = 0) -> Join:
    return OneHot(n_classes)


CONDITIONINGS: Mapping[str, Conditioning] = {
    "none": Conditioning(_nowhere, _nowhere, _nowhere),
    "one_hot": Conditioning(_one_hot, _nowhere, _one_hot),
    "embedding": Conditioning(EmbeddedVector, _nowhere, EmbeddedPlane),
    "embedding_map": Conditioning(_nowhere, EmbeddedPlane, EmbeddedPlane),
}

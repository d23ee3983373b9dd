"""How labels enter a generator and a critic: beside the features, or as weights of norms and scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.discovery import Family
from equipoise.exceptions import SettingError
from equipoise.networks.chain import Labeled

EMBEDDING_SIZE = 50  # methods 4.5


class Join(Labeled):
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


class ConditionalBatchNorm(Labeled):
    """Batch norm whose weight and bias belong to the label; 1 and 0 at the start (methods 9.4)."""

    def __init__(self, n_classes: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.weight = nn.Parameter(torch.ones(n_classes, channels))
        self.bias = nn.Parameter(torch.zeros(n_classes, channels))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """(b, c, h, w), (b,) -> (b, c, h, w)."""
        weight, bias = (table[labels, :, None, None] for table in (self.weight, self.bias))
        return torch.addcmul(bias, weight, self.norm(features))


class Projection(Labeled):
    """Scores features phi by D(x, y) = score(phi) + <v_y, sum of phi over all places> (methods 9.4).

    Source: Miyato and Koyama 2018. `score` is the layout's own last layer; v starts at N(0, 0.02), so that without
    spectral norm too the labels do not drown it.
    """

    def __init__(self, score: nn.Module, n_classes: int, channels: int) -> None:
        super().__init__()
        self.score, self.embedding = score, nn.Embedding(n_classes, channels)
        nn.init.normal_(self.embedding.weight, 0.0, 0.02)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """(b, c, h, w), (b,) -> (b,)."""
        projected = (self.embedding(labels) * features.sum(dim=(2, 3))).sum(dim=1)
        scores: Tensor = self.score(features).reshape(len(features)) + projected
        return scores


def _plain_norm(n_classes: int, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels)


def _plain_score(score: nn.Module, n_classes: int, channels: int) -> nn.Module:
    return score


@dataclass(frozen=True)
class Conditioning:
    """Where labels enter.

    Attributes:
        summary: One line for lists.
        into_latent: n_classes -> what appends to the latent.
        into_map: n_classes, side -> what appends to the generator's smallest map.
        into_image: n_classes, side -> what appends to the critic's image.
        norm: n_classes, channels -> the generator's batch norm.
        score: last layer, n_classes, channels -> the critic's last layer.
    """

    summary: str
    into_latent: Callable[[int], Join]
    into_map: Callable[[int, int], Join]
    into_image: Callable[[int, int], Join]
    norm: Callable[[int, int], nn.Module] = _plain_norm
    score: Callable[[nn.Module, int, int], nn.Module] = _plain_score


def _nowhere(*_: int) -> Join:
    return Unlabeled()


def _one_hot(n_classes: int, _side: int = 0) -> Join:
    return OneHot(n_classes)


def _only_bagan_gp(*_: int) -> Join:
    raise SettingError(
        "Conditioning 'product' is that of layout 'bagan_gp', which builds it itself. Give both."
    )


CONDITIONINGS: Mapping[str, Conditioning] = {
    "none": Conditioning("Nowhere: one generator for a class.", _nowhere, _nowhere, _nowhere),
    "one_hot": Conditioning(
        "One channel a class, beside latent and image (paper S1).", _one_hot, _nowhere, _one_hot
    ),
    "embedding": Conditioning(
        "50 learned numbers beside the latent, a learned plane beside the image (paper S2).",
        EmbeddedVector,
        _nowhere,
        EmbeddedPlane,
    ),
    "embedding_map": Conditioning(
        "A learned plane beside the smallest map and beside the image.",
        _nowhere,
        EmbeddedPlane,
        EmbeddedPlane,
    ),
    "projection": Conditioning(
        "Batch norms of the generator and the direction of the critic's score are the class's own.",
        _nowhere,
        _nowhere,
        _nowhere,
        ConditionalBatchNorm,
        Projection,
    ),
    "product": Conditioning(
        "Latent and critic's features times learned numbers of the class (BAGAN-GP).",
        _only_bagan_gp,
        _only_bagan_gp,
        _only_bagan_gp,
    ),
}
FAMILY = Family(
    name="conditionings",
    summary="Where a GAN is told the class.",
    members=CONDITIONINGS,
)

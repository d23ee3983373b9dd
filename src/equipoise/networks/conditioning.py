"""How labels enter a generator and a critic: joined to features, or as weights of norms and scores.

Inner modules that need the labels are `Labeled`; `Chain` passes the labels on to them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.discovery import Family
from equipoise.exceptions import SettingError

EMBEDDING_SIZE = 50  # of Sun and Li (paper S2)


class Labeled(nn.Module):
    """A module that is called with features (b, ...) and labels (b,)."""


def apply_layer(module: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
    """Call a module on features, with the labels if it is `Labeled`."""
    if isinstance(module, Labeled):
        output: Tensor = module(features, labels)
    else:
        output = module(features)
    return output


class Chain(Labeled):
    """Modules in sequence, named as in `nn.Sequential`; `Labeled` ones are called with the labels.

    Example:
        >>> chain = Chain(nn.Flatten(), nn.Linear(4, 3))
        >>> chain(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1])).shape
        torch.Size([2, 3])
    """

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        for i, module in enumerate(modules):
            self.add_module(str(i), module)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Map (b, ...), (b,) to (b, ...)."""
        for module in self.children():
            features = apply_layer(module, features, labels)
        return features


class Join(Labeled):
    """Appends `extra` channels to features (b, c, *spatial), depending on labels (b,)."""

    extra: int


class PlainJoin(Join):
    """Appends nothing."""

    extra = 0

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the features (b, c, *spatial) as they are."""
        return features


class OneHot(Join):
    """Appends k channels: 1 in that of the label, 0 in the others.

    Args:
        n_classes: k.

    Source: the code of Sharma et al. (paper S1 in docs/methods.md).
    """

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.extra = n_classes

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Map (b, c, *spatial), (b,) to (b, c + k, *spatial)."""
        codes = functional.one_hot(labels, self.extra).to(features.dtype)
        codes = codes.reshape(*codes.shape, *[1] * (features.ndim - 2))
        return torch.cat([features, codes.expand(-1, -1, *features.shape[2:])], dim=1)


class EmbeddedVector(Join):
    """Appends a learned vector of 50 numbers per label to a latent.

    Args:
        n_classes: Number of labels.

    Source: Sun and Li (paper S2 in docs/methods.md).
    """

    extra = EMBEDDING_SIZE

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_classes, EMBEDDING_SIZE)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Map (b, n), (b,) to (b, n + 50)."""
        return torch.cat([features, self.embedding(labels)], dim=1)


class EmbeddedPlane(Join):
    """Appends one learned map per label: an embedding of 50 numbers, then a linear layer.

    Args:
        n_classes: Number of labels.
        side: Side of the map.

    Source: the tutorial that Sun and Li (paper S2) build on.
    """

    extra = 1

    def __init__(self, n_classes: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.embedding = nn.Embedding(n_classes, EMBEDDING_SIZE)
        self.linear = nn.Linear(EMBEDDING_SIZE, side * side)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Map (b, c, side, side), (b,) to (b, c + 1, side, side)."""
        plane = self.linear(self.embedding(labels)).reshape(-1, 1, self.side, self.side)
        return torch.cat([features, plane], dim=1)


class ConditionalBatchNorm(Labeled):
    """Batch norm with one weight and bias per label and channel; initially 1 and 0.

    Args:
        n_classes: Number of labels.
        channels: Channels of the map.

    Source: Miyato and Koyama (2018), whose generator uses it.
    """

    def __init__(self, n_classes: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.weight = nn.Parameter(torch.ones(n_classes, channels))
        self.bias = nn.Parameter(torch.zeros(n_classes, channels))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Map (b, c, h, w), (b,) to (b, c, h, w)."""
        weight = self.weight[labels, :, None, None]  # (b, c, 1, 1)
        bias = self.bias[labels, :, None, None]
        return torch.addcmul(bias, weight, self.norm(features))


class Projection(Labeled):
    """Scores features phi by D(x, y) = score(phi) + <v_y, sum of phi over all positions>.

    Args:
        score: Last layer of the layout.
        n_classes: Number of labels.
        channels: Channels of phi.

    Source: Miyato and Koyama (2018), "cGANs with Projection Discriminator". Difference: v starts at
    N(0, 0.02), so that it does not dominate the score where there is no spectral norm.
    """

    def __init__(self, score: nn.Module, n_classes: int, channels: int) -> None:
        super().__init__()
        self.score, self.embedding = score, nn.Embedding(n_classes, channels)
        nn.init.normal_(self.embedding.weight, 0.0, 0.02)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Map (b, c, h, w), (b,) to (b,)."""
        projected = (self.embedding(labels) * features.sum(dim=(2, 3))).sum(dim=1)
        scores: Tensor = self.score(features).reshape(len(features)) + projected
        return scores


@dataclass(frozen=True)
class Conditioning:
    """A row of `CONDITIONINGS`: where labels enter.

    Attributes:
        summary: One line for users.
        into_latent: n_classes -> join for the latent.
        into_map: n_classes, side -> join for the generator's smallest map.
        into_image: n_classes, side -> join for the critic's image.
        norm: n_classes, channels -> the generator's batch norm.
        score: last layer, n_classes, channels -> the critic's last layer.
    """

    summary: str
    into_latent: Callable[[int], Join]
    into_map: Callable[[int, int], Join]
    into_image: Callable[[int, int], Join]
    norm: Callable[[int, int], nn.Module] = lambda _n_classes, channels: nn.BatchNorm2d(channels)
    score: Callable[[nn.Module, int, int], nn.Module] = lambda score, _n_classes, _channels: score


def _nowhere(*_: int) -> Join:
    return PlainJoin()


def _one_hot(n_classes: int, _side: int = 0) -> Join:
    return OneHot(n_classes)


def _only_bagan_gp(*_: int) -> Join:
    raise SettingError(
        "Conditioning 'product' belongs to layout 'bagan_gp', which builds it itself. Set both."
    )


CONDITIONINGS: Mapping[str, Conditioning] = {
    "none": Conditioning("No labels: one generator per class.", _nowhere, _nowhere, _nowhere),
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
        "One batch norm per class in the generator, one direction per class in the critic's score.",
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
    summary="How labels enter a GAN.",
    members=CONDITIONINGS,
)

"""What a critic minimizes besides its objective: penalties on its slope, and real images with wrong labels."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from equipoise.discovery import Family, pick
from equipoise.exceptions import SettingError

INSIDE_THE_ROOT = 1e-12  # the root of 0 has no gradient
INTERPOLATIONS: Mapping[str, Callable[..., Tensor]] = {"uniform": torch.rand, "normal": torch.randn}
WRONG_LABELS = ("exclude_true", "uniform")


@dataclass(frozen=True, kw_only=True, eq=False)
class CriticBatch:
    """What one update of a critic works on.

    Attributes:
        real: (b, c, s, s) real images as the critic sees them: in its range, augmented.
        labels: (b,) their labels.
        fake: (b, c, s, s) generated images as the critic sees them; they carry no gradient.
        fake_labels: (b,) their labels.
        n_classes: Number of labels.
    """

    real: Tensor
    labels: Tensor
    fake: Tensor
    fake_labels: Tensor
    n_classes: int


class Regularizer(Protocol):
    """A term of the critic's loss; a frozen dataclass. It draws its chance from torch's generator."""

    @property
    def name(self) -> str:
        """As the user writes it, and as the history calls its value."""

    @property
    def every(self) -> int:
        """How many critic updates pass between two uses; a lazy one weighs `every` times as much."""

    @property
    def of_slope(self) -> bool:
        """Whether it needs the gradient of each score at its own image, which batch norm mixes up."""

    def __call__(self, critic: nn.Module, batch: CriticBatch) -> Tensor:
        """Return the term, a scalar, in float32 whatever the precision of the fit."""


@dataclass(frozen=True, kw_only=True)
class GradientPenalty:
    """Holds the critic's slope at 1 between real and generated images (WGAN-GP, BAGAN-GP).

    Attributes:
        weight: 10 in the sources, 5 in paper S1 on COVID.
        interpolation: How the share of the real image is drawn: "uniform" from U(0, 1), or "normal" from N(0, 1)
            as the code of BAGAN-GP and of paper S1 does, which leaves the segment.

    Source: Gulrajani et al. 2017 (arXiv 1704.00028). In between, an image has the label of the real one; unlike in
    the code of S1, the label's planes are no part of the image whose gradient counts (erratum 14).
    """

    name: ClassVar[str] = "gradient_penalty"
    every: ClassVar[int] = 1
    of_slope: ClassVar[bool] = True
    weight: float = 10.0
    interpolation: str = "uniform"

    def __post_init__(self) -> None:
        pick(INTERPOLATIONS, self.interpolation, "interpolation")

    def __call__(self, critic: nn.Module, batch: CriticBatch) -> Tensor:
        """See `Regularizer`."""
        return self.weight * _distance_from_1(critic, self.between(batch), batch.labels)

    def between(self, batch: CriticBatch) -> Tensor:
        """Draw one point on the line through each pair of images."""
        share = INTERPOLATIONS[self.interpolation](
            len(batch.real), 1, 1, 1, device=batch.real.device
        )
        return batch.fake + share * (batch.real - batch.fake)


@dataclass(frozen=True, kw_only=True)
class Dragan:
    """Holds the critic's slope at 1 around real images.

    Source: Kodali et al. 2017 (arXiv 1705.07215) and its code: noise is added only, up to half a standard deviation
    of the batch (methods 4.2).
    """

    name: ClassVar[str] = "dragan"
    every: ClassVar[int] = 1
    of_slope: ClassVar[bool] = True
    weight: float = 10.0

    def __call__(self, critic: nn.Module, batch: CriticBatch) -> Tensor:
        """See `Regularizer`."""
        return self.weight * _distance_from_1(critic, self.around(batch.real), batch.labels)

    def around(self, real: Tensor) -> Tensor:
        """Add noise to images (b, c, s, s)."""
        strength = torch.rand(len(real), 1, 1, 1, device=real.device)
        return real + strength * 0.5 * real.std() * torch.rand_like(real)


@dataclass(frozen=True, kw_only=True)
class R1:
    """Holds the critic's slope small at real images.

    Attributes:
        gamma: Weight; None takes 0.0002 s^2 / b of the batch (methods 4.2: small data: try 10 and 100 times that).
        every: Critic updates between two uses.

    Source: Mescheder et al. 2018 (arXiv 1801.04406); lazy as in StyleGAN2 (arXiv 1912.04958), in an update of its
    own. Differs from StyleGAN2-ADA in the gradient, which is that of the augmented image.
    """

    name: ClassVar[str] = "r1"
    of_slope: ClassVar[bool] = True
    gamma: float | None = None
    every: int = 16

    def __call__(self, critic: nn.Module, batch: CriticBatch) -> Tensor:
        """See `Regularizer`."""
        gamma = (
            0.0002 * batch.real.shape[-1] ** 2 / len(batch.real)
            if self.gamma is None
            else self.gamma
        )
        return gamma / 2 * _squared_slopes(critic, batch.real, batch.labels).mean()


@dataclass(frozen=True, kw_only=True)
class MismatchedLabels:
    """Teaches the critic to reject real images with a wrong label (BAGAN-GP); 0 where there is one class.

    Attributes:
        wrong_label: "exclude_true" draws from the other labels; "uniform" from all, as the reference does, and then
            pushes the true pair down once in k times.

    Source: Huang & Jafari 2021 (arXiv 2011.00189), methods 4.9.
    """

    name: ClassVar[str] = "mismatched_labels"
    every: ClassVar[int] = 1
    of_slope: ClassVar[bool] = False
    wrong_label: str = "exclude_true"

    def __post_init__(self) -> None:
        pick(dict.fromkeys(WRONG_LABELS), self.wrong_label, "way to draw wrong labels")

    def __call__(self, critic: nn.Module, batch: CriticBatch) -> Tensor:
        """See `Regularizer`."""
        if batch.n_classes == 1:
            return batch.real.new_zeros(())
        with _float32(batch.real):
            return softplus(critic(batch.real, self.wrong(batch.labels, batch.n_classes))).mean()

    def wrong(self, labels: Tensor, n_classes: int) -> Tensor:
        """Draw a label for each of `labels` (b,)."""
        if self.wrong_label == "uniform":
            return torch.randint_like(labels, n_classes)
        return (labels + 1 + torch.randint_like(labels, n_classes - 1)) % n_classes


REGULARIZERS: Mapping[str, Callable[..., Regularizer]] = {
    kind.name: kind for kind in (GradientPenalty, Dragan, R1, MismatchedLabels)
}
FAMILY = Family(
    name="regularizers",
    summary="Regularizers of a GAN's critic.",
    members=REGULARIZERS,
)

Given = str | Mapping[str, Any] | Regularizer  # a name, {"name": ..., settings}, or the regularizer


def regularizer(given: Given) -> Regularizer:
    """Make a regularizer from its name, from its name and settings, or take it as it is.

    Raises:
        SettingError: No regularizer of that name, or it has no such setting.
    """
    if isinstance(given, str):
        return pick(REGULARIZERS, given, "regularizer")()
    if not isinstance(given, Mapping):
        return given
    settings = {key: value for key, value in given.items() if key != "name"}
    try:
        return pick(REGULARIZERS, str(given.get("name")), "regularizer")(**settings)
    except TypeError as error:
        raise SettingError(
            f"Regularizer '{given['name']}' does not take {settings}: {error}."
        ) from error


def as_mapping(given: Given) -> dict[str, Any]:
    """Write a regularizer down such that `regularizer` makes it again."""
    made = regularizer(given)
    return {"name": made.name, **asdict(made)}  # type: ignore[call-overload]  # regularizers are dataclasses


def _distance_from_1(critic: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    slopes = (_squared_slopes(critic, images, labels) + INSIDE_THE_ROOT).sqrt()
    return (slopes - 1.0).square().mean()


def _squared_slopes(critic: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """(b,) squared norms of the gradient of each score in its image; the critic's weights get gradients of them."""
    images = images.detach().requires_grad_()
    with _float32(images):
        (gradients,) = torch.autograd.grad(critic(images, labels).sum(), images, create_graph=True)
    return gradients.flatten(1).square().sum(dim=1)


def _float32(images: Tensor) -> torch.autocast:
    return torch.autocast(images.device.type, enabled=False)

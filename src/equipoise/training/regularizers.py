"""Terms of a GAN's losses besides its objective: of the critic, and of the generator."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from equipoise.discovery import Family, pick
from equipoise.exceptions import SettingError

INSIDE_THE_ROOT = 1e-12  # the square root has no gradient at 0
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


@dataclass(frozen=True, kw_only=True, eq=False)
class GeneratorBatch:
    """What one update of a generator works on.

    Attributes:
        latent: (b, latent_size) drawn from N(0, I).
        labels: (b,) labels of the images to generate.
    """

    latent: Tensor
    labels: Tensor


@dataclass(frozen=True, kw_only=True)
class Regularizer:
    """A term of one network's loss: derive from `CriticRegularizer` or `GeneratorRegularizer`.

    Attributes:
        name: As the user writes it; also the column of its value in the history.
        every: Updates of its network between two uses, at least 1. A lazy term (above 1) is
            multiplied by `every` and has a separate optimizer update, after that of the
            objective (Karras et al., 2020, arXiv 1912.04958, Appendix B).
    """

    name: ClassVar[str]
    every: int = 1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise SettingError(f"Expected every of at least 1 in '{self.name}', got {self.every}.")

    def __call__(self, network: nn.Module, batch: Any) -> Tensor:
        """Return the term, a scalar, in float32 whatever the precision of the fit.

        Randomness comes from torch's global generator.
        """
        raise NotImplementedError


class CriticRegularizer(Regularizer):
    """A term of the critic's loss.

    Attributes:
        of_slope: Whether it needs the gradient of each score at its own image, which batch norm
            mixes up.
    """

    of_slope: ClassVar[bool] = False

    def __call__(self, network: nn.Module, batch: CriticBatch) -> Tensor:
        """See `Regularizer`; `network` is the critic."""
        raise NotImplementedError


class GeneratorRegularizer(Regularizer):
    """A term of the generator's loss."""

    def __call__(self, network: nn.Module, batch: GeneratorBatch) -> Tensor:
        """See `Regularizer`; `network` is the generator."""
        raise NotImplementedError


def around_one(*shape: int, device: torch.device) -> Tensor:
    """Draw from N(1, 1)."""
    return 1.0 - torch.randn(*shape, device=device)


INTERPOLATIONS: Mapping[str, Callable[..., Tensor]] = {  # weight of the real image
    "uniform": torch.rand,
    "normal": torch.randn,
    "normal_at_real": around_one,
}


@dataclass(frozen=True, kw_only=True)
class GradientPenalty(CriticRegularizer):
    """Pull the norm of the critic's gradient to 1 between real and generated images.

    The term is weight * mean((||grad_x D(x', y)||_2 - 1)^2) with x' = u x + (1 - u) G(z).

    Attributes:
        weight: 10 in the sources, 5 in paper S1 on COVID.
        interpolation: Distribution of u: "uniform" is U(0, 1). Two others leave the segment between
            the images: "normal" is N(0, 1), centered on G(z), as in the code of paper S1's WGAN-GP;
            "normal_at_real" is N(1, 1), centered on x, as in the code of BAGAN-GP (Huang & Jafari,
            2021, arXiv 2011.00189), where x' = x + v (G(z) - x) with v from N(0, 1).

    Source: Gulrajani et al. (2017), arXiv 1704.00028, Eq. 3. x' has the label of the real image.
    Differs from the code of paper S1: the planes that carry the label are not part of the image
    whose gradient counts.

    Example:
        >>> GradientPenalty(weight=5)
        GradientPenalty(every=1, weight=5, interpolation='uniform')

    See Also:
        Dragan: The same penalty around real images only.
        R1: A penalty whose target is a gradient of 0.
    """

    name: ClassVar[str] = "gradient_penalty"
    of_slope: ClassVar[bool] = True
    weight: float = 10.0
    interpolation: str = "uniform"

    def __post_init__(self) -> None:
        super().__post_init__()
        pick(INTERPOLATIONS, self.interpolation, "interpolation")

    def __call__(self, network: nn.Module, batch: CriticBatch) -> Tensor:
        """See `Regularizer`."""
        return self.weight * _distance_from_1(network, self.between(batch), batch.labels)

    def between(self, batch: CriticBatch) -> Tensor:
        """Draw one point on the line through each pair of images."""
        share = INTERPOLATIONS[self.interpolation](
            len(batch.real), 1, 1, 1, device=batch.real.device
        )
        return batch.fake + share * (batch.real - batch.fake)


@dataclass(frozen=True, kw_only=True)
class Dragan(CriticRegularizer):
    """Pull the norm of the critic's gradient to 1 around real images.

    The term is weight * mean((||grad_x D(x', y)||_2 - 1)^2) with x' = x + 0.5 u std(X) v, u and v
    from U(0, 1).

    Source: Kodali et al. (2017), arXiv 1705.07215, with the noise of its code: v is from U(0, 1),
    so that it only brightens, and std is that of the whole batch.
    """

    name: ClassVar[str] = "dragan"
    of_slope: ClassVar[bool] = True
    weight: float = 10.0

    def __call__(self, network: nn.Module, batch: CriticBatch) -> Tensor:
        """See `Regularizer`."""
        return self.weight * _distance_from_1(network, self.around(batch.real), batch.labels)

    def around(self, real: Tensor) -> Tensor:
        """Add noise to images (b, c, s, s)."""
        strength = torch.rand(len(real), 1, 1, 1, device=real.device)
        return real + strength * 0.5 * real.std() * torch.rand_like(real)


@dataclass(frozen=True, kw_only=True)
class R1(CriticRegularizer):
    """Keep the critic's gradient small at real images: gamma / 2 * mean(||grad_x D(x, y)||_2^2).

    Attributes:
        gamma: Weight; None is 0.0002 s^2 / b for images of side s in batches of b. With few images,
            10 and 100 times that are worth a try.
        every: Critic updates between two uses.

    Source: Mescheder et al. (2018), arXiv 1801.04406, Eq. 9; lazy as in Karras et al. (2020), arXiv
    1912.04958, Appendix B; gamma as in the code of Karras et al. (2020), arXiv 2006.06676. Differs
    from that code in the gradient, which is that with respect to the augmented image.
    """

    name: ClassVar[str] = "r1"
    of_slope: ClassVar[bool] = True
    gamma: float | None = None
    every: int = 16

    def __call__(self, network: nn.Module, batch: CriticBatch) -> Tensor:
        """See `Regularizer`."""
        gamma = self.gamma
        if gamma is None:
            gamma = 0.0002 * batch.real.shape[-1] ** 2 / len(batch.real)
        return gamma / 2 * _squared_slopes(network, batch.real, batch.labels).mean()


@dataclass(frozen=True, kw_only=True)
class MismatchedLabels(CriticRegularizer):
    """Teach the critic to reject real images with a wrong label; 0 where there is one class.

    The term is mean(softplus(D(x, y_wrong))).

    Attributes:
        wrong_label: "exclude_true" draws from the other labels. "uniform" draws from all, as the
            reference does; once in k times it then penalizes the true pair.

    Source: Huang & Jafari (2021), arXiv 2011.00189, the wrong-label term of its discriminator loss.
    Differs in the default "exclude_true".
    """

    name: ClassVar[str] = "mismatched_labels"
    wrong_label: str = "exclude_true"

    def __post_init__(self) -> None:
        super().__post_init__()
        pick(dict.fromkeys(WRONG_LABELS), self.wrong_label, "way to draw wrong labels")

    def __call__(self, network: nn.Module, batch: CriticBatch) -> Tensor:
        """See `Regularizer`."""
        if batch.n_classes == 1:
            return batch.real.new_zeros(())
        with _float32(batch.real):
            scores: Tensor = network(batch.real, self.wrong(batch.labels, batch.n_classes))
            return softplus(scores).mean()

    def wrong(self, labels: Tensor, n_classes: int) -> Tensor:
        """Draw a label for each of `labels` (b,)."""
        if self.wrong_label == "uniform":
            return torch.randint_like(labels, n_classes)
        return (labels + 1 + torch.randint_like(labels, n_classes - 1)) % n_classes


@dataclass(frozen=True, kw_only=True)
class OrthogonalFilters(GeneratorRegularizer):
    """Keep the generator's filters orthogonal to one another, whatever their lengths.

    The term is weight * sum over layers of ||W W^T * (1 - I)||_F^2, the rows of W being the filters
    of a layer (linear, convolutional or transposed convolutional). Embeddings of labels have none.

    Source: Brock et al. (2019), arXiv 1809.11096, Eq. 3, whose columns are the filters. Its code
    descends half of that gradient.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> layer.weight.data = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
        >>> labels = torch.zeros(1, dtype=torch.long)
        >>> batch = GeneratorBatch(latent=torch.zeros(1, 2), labels=labels)
        >>> round(OrthogonalFilters(weight=0.5)(layer, batch).item(), 3)
        1.0
    """

    name: ClassVar[str] = "orthogonal_filters"
    weight: float = 1e-4

    def __call__(self, network: nn.Module, batch: GeneratorBatch) -> Tensor:
        """See `Regularizer`."""
        term = batch.latent.new_zeros(())
        with _float32(batch.latent):
            for filters in _filters(network):
                # ||W W^T||_F = ||W^T W||_F; the smaller product saves memory
                wide = filters if len(filters) <= filters.shape[1] else filters.T
                lengths = filters.square().sum(dim=1)
                term = term + (wide @ wide.T).square().sum() - lengths.square().sum()
        return self.weight * term


REGULARIZERS: Mapping[str, type[Regularizer]] = {
    kind.name: kind for kind in (GradientPenalty, Dragan, R1, MismatchedLabels, OrthogonalFilters)
}
FAMILY = Family(
    name="regularizers",
    summary="Regularizers of a GAN's critic and generator.",
    members=REGULARIZERS,
)

Description = str | Mapping[str, Any] | Regularizer  # a name, {"name": ..., settings}, or itself


def regularizer(description: Description) -> Regularizer:
    """Build a regularizer from its name or from its name and settings; return one unchanged.

    Raises:
        SettingError: No regularizer of that name, or it has no such setting.

    Example:
        >>> regularizer({"name": "r1", "gamma": 2.0})
        R1(every=16, gamma=2.0)
    """
    if isinstance(description, Regularizer):
        return description
    if isinstance(description, str):
        return pick(REGULARIZERS, description, "regularizer")()
    name = str(description.get("name"))
    settings = {key: value for key, value in description.items() if key != "name"}
    try:
        return pick(REGULARIZERS, name, "regularizer")(**settings)
    except TypeError as error:
        raise SettingError(f"Regularizer '{name}' does not take {settings}: {error}.") from error


def check_regularizers(descriptions: Sequence[Description]) -> tuple[Regularizer, ...]:
    """Build the regularizers of a game.

    Raises:
        SettingError: A text in place of a tuple, a regularizer listed twice, or see `regularizer`.
    """
    if isinstance(descriptions, str):
        raise SettingError(
            f"Expected regularizers as a tuple, for example ('{descriptions}',), got "
            f"'{descriptions}'."
        )
    by_name: dict[str, Regularizer] = {}
    for description in descriptions:
        term = regularizer(description)
        if term.name in by_name:
            raise SettingError(
                f"Expected every regularizer once, got '{term.name}' more than once."
            )
        by_name[term.name] = term
    return tuple(by_name.values())


def as_mapping(description: Description) -> dict[str, Any]:
    """Return name and settings, from which `regularizer` builds an equal regularizer."""
    term = regularizer(description)
    return {"name": term.name, **asdict(term)}


def _filters(network: nn.Module) -> Iterator[Tensor]:
    """Walk the filters of each layer, (number of filters, length of a filter)."""
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d):  # its weight is (in, out, k, k)
            yield module.weight.transpose(0, 1).flatten(1)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            yield module.weight.flatten(1)


def _distance_from_1(critic: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    slopes = (_squared_slopes(critic, images, labels) + INSIDE_THE_ROOT).sqrt()
    return (slopes - 1.0).square().mean()


def _squared_slopes(critic: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Return (b,) squared norms of the gradient of each score with respect to its image.

    The graph is kept, so that the critic's weights get gradients of them.
    """
    images = images.detach().requires_grad_()
    with _float32(images):
        (gradients,) = torch.autograd.grad(critic(images, labels).sum(), images, create_graph=True)
    return gradients.flatten(1).square().sum(dim=1)


def _float32(tensor: Tensor) -> torch.autocast:
    """Switch mixed precision off on the device of a tensor."""
    return torch.autocast(tensor.device.type, enabled=False)

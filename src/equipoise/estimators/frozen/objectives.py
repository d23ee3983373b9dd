"""What the training of a head minimizes, for several weight decays at once, and its gradient."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parameters_to_vector

from equipoise.estimators.frozen.conditioning import find_directions
from equipoise.losses.base import ImbalanceLoss
from equipoise.networks.heads import CosineLinear

# The square of the usual scale of cosines: a direction times 25 is the weight of a linear layer
# with the same logits, so that one grid of weight decays suits both.
STIFFNESS = 25.0**2


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """What a head is trained on.

    Attributes:
        inputs: (n, d) inputs of the layers that are trained.
        codes: (n,) classes.
        weights: (n,) weight of each row in the loss.
    """

    inputs: Tensor
    codes: Tensor
    weights: Tensor


class HeadObjective(ABC):
    """Maps points (q, m) and the numbers (q,) of their weight decays to values and gradients.

    The value is the weighted mean of the loss over the rows plus half the weight decay times the
    squared weights, or what a subclass penalizes instead.

    Args:
        loss: Read at every call: it may change its form between calls.
        rows: Training rows.
        decays: Weight decays, the strongest first.

    Attributes:
        decays: (p,) the weight decays.
        tolerance: Largest element of the gradient at which a point counts as a minimum.
        one_by_one: Whether the weight decays share nothing.
    """

    tolerance = 2e-5
    one_by_one = False

    def __init__(self, loss: ImbalanceLoss, rows: Rows, decays: Sequence[float]) -> None:
        self.loss = loss
        self.rows = rows
        self.decays = torch.tensor(decays, device=rows.inputs.device)

    @abstractmethod
    def start(self) -> Tensor:
        """Return the points (p, m) from which the layers are trained."""

    @abstractmethod
    def state(self, point: Tensor, number: int) -> dict[str, Tensor]:
        """Return the state dict of the layers at a point (m,) of a weight decay."""

    @abstractmethod
    def logits(self, points: Tensor, decays: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits (n, q, k), and squared weights (q,) or what else is penalized."""

    def __call__(self, points: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Compute values (q,) in float64 and gradients (q, m)."""
        points = points.detach().requires_grad_(True)
        decays = self.decays[numbers]
        logits, squares = self.logits(points, decays)
        codes = self.rows.codes.repeat_interleave(len(points))
        terms = self.loss.terms(logits.flatten(0, 1), codes).view(-1, len(points))
        means = (terms * self.rows.weights[:, None]).mean(dim=0, dtype=torch.float64)
        values = means + 0.5 * decays.double() * squares.double()
        (gradients,) = torch.autograd.grad(values.sum(), points)
        return values.detach(), gradients


class LinearObjective(HeadObjective):
    """One linear layer, which starts at 0, in coordinates in which its curvature is even.

    A point contains k rows of d weights and a bias. The directions in which the inputs spread most
    are found once; evening them out touches the weights alone, never the rows.
    """

    tolerance = 5e-5

    def __init__(
        self,
        layer: nn.Linear,
        loss: ImbalanceLoss,
        rows: Rows,
        decays: Sequence[float],
        scale: float,
    ) -> None:
        super().__init__(loss, rows, decays)
        self.layer = layer
        self.scale = scale
        curvatures = scale**2 * row_curvatures(loss, rows, layer.out_features)
        self.directions = find_directions(rows.inputs, curvatures)

    def start(self) -> Tensor:
        """See `HeadObjective`."""
        n_parameters = self.layer.out_features * (self.layer.in_features + 1)
        return self.decays.new_zeros(len(self.decays), n_parameters)

    def state(self, point: Tensor, number: int) -> dict[str, Tensor]:
        """See `HeadObjective`."""
        weights, biases = self._layer(point[None], self.decays[[number]])
        return {"weight": weights[0], "bias": biases[0]}

    def logits(self, points: Tensor, decays: Tensor) -> tuple[Tensor, Tensor]:
        """See `HeadObjective`."""
        weights, biases = self._layer(points, decays)
        return _product(self.rows.inputs, weights, biases, self.scale), _squares(weights)

    def _layer(self, points: Tensor, decays: Tensor) -> tuple[Tensor, Tensor]:
        """Map points (q, m) to weights (q, k, d) and biases (q, k)."""
        by_class = points.view(len(points), self.layer.out_features, -1)
        weights = self.directions.stretched(by_class[..., :-1], decays)
        biases = by_class[..., -1] / self.directions.mean_weight**0.5
        return weights, biases - weights @ self.directions.center


class CosineObjective(HeadObjective):
    """Cosines with one direction for each class, in coordinates like those of `LinearObjective`.

    Cosines do not depend on the lengths of the weights, so a penalty on these would do nothing, and
    cosines times 25 can separate any few images. What is penalized instead is `STIFFNESS` times the
    squared distance of each direction from where it starts, the mean direction of its class.

    The lengths of the rows are divided out once.
    """

    def __init__(
        self,
        layer: CosineLinear,
        loss: ImbalanceLoss,
        rows: Rows,
        decays: Sequence[float],
        scale: float,
    ) -> None:
        super().__init__(loss, rows, decays)
        self.layer = layer
        self.scale = scale
        self.rows = replace(rows, inputs=normalize(rows.inputs, dim=1))
        self.anchors = normalize(layer.weight.detach(), dim=1)  # (k, d)
        curvatures = scale**2 * row_curvatures(loss, rows, layer.out_features)
        self.directions = find_directions(self.rows.inputs, curvatures)

    def start(self) -> Tensor:
        """See `HeadObjective`."""
        weights = self.anchors.expand(len(self.decays), -1, -1)
        return self.directions.even(weights, STIFFNESS * self.decays).flatten(1)

    def state(self, point: Tensor, number: int) -> dict[str, Tensor]:
        """See `HeadObjective`."""
        return {"weight": self._weights(point[None], self.decays[[number]])[0]}

    def logits(self, points: Tensor, decays: Tensor) -> tuple[Tensor, Tensor]:
        """See `HeadObjective`."""
        unit = normalize(self._weights(points, decays), dim=2)
        distances = STIFFNESS * _squares(unit - self.anchors)
        return _product(self.rows.inputs, unit, None, self.scale), distances

    def _weights(self, points: Tensor, decays: Tensor) -> Tensor:
        by_class = points.view(len(points), *self.layer.weight.shape)
        return self.directions.stretched(by_class, STIFFNESS * decays)


class DeepObjective(HeadObjective):
    """Several layers: points are their parameters, one after the other."""

    one_by_one = True

    def __init__(
        self,
        layers: nn.Module,
        loss: ImbalanceLoss,
        rows: Rows,
        decays: Sequence[float],
        scale: float,
    ) -> None:
        super().__init__(loss, rows, decays)
        self.layers = layers
        self.scale = scale

    def start(self) -> Tensor:
        """See `HeadObjective`."""
        parameters = parameters_to_vector(self.layers.parameters()).detach()
        return parameters.expand(len(self.decays), -1)

    def state(self, point: Tensor, number: int) -> dict[str, Tensor]:
        """See `HeadObjective`."""
        state = {}
        start = 0
        for name, parameter in self.layers.named_parameters():
            part = point[start : start + parameter.numel()]
            state[name] = part.view_as(parameter)
            start += parameter.numel()
        return state

    def logits(self, points: Tensor, decays: Tensor) -> tuple[Tensor, Tensor]:
        """See `HeadObjective`."""
        logits, squares = [], []
        for point in points:
            state = self.state(point, 0)
            outputs = torch.func.functional_call(self.layers, state, (self.rows.inputs,))
            logits.append(self.scale * outputs)
            weights = [tensor for tensor in state.values() if tensor.ndim > 1]
            squares.append(torch.stack([weight.square().sum() for weight in weights]).sum())
        return torch.stack(logits, dim=1), torch.stack(squares)


def objective_of(
    layers: nn.Module, loss: ImbalanceLoss, rows: Rows, decays: Sequence[float], scale: float
) -> HeadObjective:
    """Return the objective of layers: a cosine layer, a linear one, or several."""
    if isinstance(layers, CosineLinear):
        return CosineObjective(layers, loss, rows, decays, scale)
    if isinstance(layers, nn.Linear):
        return LinearObjective(layers, loss, rows, decays, scale)
    return DeepObjective(layers, loss, rows, decays, scale)


def row_curvatures(loss: ImbalanceLoss, rows: Rows, n_classes: int) -> Tensor:
    """Estimate the curvature (n,) of the loss of each row in its logits, where all are equal.

    It is exact for weighted cross-entropy, and elsewhere off by a factor that matters little.
    """
    logits = torch.zeros(len(rows.codes), n_classes, device=rows.inputs.device)
    logits.requires_grad_(True)
    (gradients,) = torch.autograd.grad(
        (loss.terms(logits, rows.codes) * rows.weights).sum(), logits
    )
    return gradients.abs().sum(dim=1) / (2 * n_classes)


def _product(inputs: Tensor, weights: Tensor, biases: Tensor | None, scale: float) -> Tensor:
    """Multiply inputs (n, d) by all weights (q, k, d) in one pass: (n, q, k)."""
    flat = (scale * weights).flatten(0, 1)
    flat_biases = None if biases is None else (scale * biases).flatten()
    return nn.functional.linear(inputs, flat, flat_biases).view(-1, *weights.shape[:2])


def _squares(weights: Tensor) -> Tensor:
    """Return the squared norm of weights (q, k, d) for each q."""
    return weights.square().sum(dim=(1, 2))

"""The trained part of a classifier on frozen features: standardization, a last layer, or an MLP."""

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from equipoise.discovery import Family, pick
from equipoise.estimators.frozen.feature_network import AnyFeatureNetwork
from equipoise.networks.heads import CosineLinear

COSINE_SCALE = 25.0  # of the cosines of a "cosine" head, where the loss has no scale of its own
ROWS_AT_ONCE = 256  # whose moments are summed in float64 in the processor's cache
MOST_STRETCHED = 10.0  # factor of cosines
N_HIDDEN = 64  # units of the "mlp" head
LINEAR, COSINE, MLP = "linear", "cosine", "mlp"
FROZEN_HEADS: Mapping[str, str] = {
    LINEAR: "One linear layer: for cross-entropy this is logistic regression.",
    COSINE: "Cosines with one direction for each class, times 25.",
    MLP: f"A hidden layer of {N_HIDDEN} units with ReLU, then a linear layer.",
}
FAMILY = Family(
    name="frozen_heads",
    summary="Heads of a classifier on frozen features.",
    members=FROZEN_HEADS,
    line=str,
)


class FrozenHead(nn.Module):
    """Maps features (n, d) to logits (n, k).

    Features are standardized and divided by the root of d, so that their squared length is about 1
    and one weight decay suits all networks; a constant feature becomes 0. Those of several networks
    have the same length, however many each has.

    Args:
        n_features: d.
        n_classes: k.
        kind: A name in `FROZEN_HEADS`.
        scale: Factor of the logits; see also `stretch_cosines`.

    Attributes:
        scale: The factor.
        center: (d,) mean of each feature.
        factor: (d,) what it is multiplied by.
        hidden: Standardized features to the inputs of the last layer.
        last: The last layer.

    Source: Shi et al. (2024), "Long-Tail Learning with Foundation Model" (LIFT), for the scale of
    the cosines.
    """

    center: Tensor
    factor: Tensor
    scale: Tensor

    def __init__(self, n_features: int, n_classes: int, kind: str, *, scale: float = 1.0) -> None:
        super().__init__()
        pick(FROZEN_HEADS, kind, "head")
        self.register_buffer("center", torch.zeros(n_features))
        self.register_buffer("factor", torch.ones(n_features))
        self.register_buffer("scale", torch.tensor(scale))
        self.hidden: nn.Module = nn.Identity()
        width = n_features
        if kind == MLP:
            self.hidden = nn.Sequential(nn.Linear(n_features, N_HIDDEN), nn.ReLU())
            width = N_HIDDEN
        layer = CosineLinear if kind == COSINE else nn.Linear
        self.last = layer(width, n_classes)

    def fit_standardization(self, features: Tensor, blocks: Sequence[int] = ()) -> None:
        """Learn center and factor from features (n, d).

        Args:
            features: Of the training images.
            blocks: Numbers of consecutive features that have the same squared length together;
                empty for one block of all.
        """
        first = features[0].double()  # subtracted, so that a constant feature has no variance
        sums, squares = torch.zeros_like(first), torch.zeros_like(first)
        for start in range(0, len(features), ROWS_AT_ONCE):
            offsets = features[start : start + ROWS_AT_ONCE].double() - first
            sums += offsets.sum(dim=0)
            squares += offsets.square().sum(dim=0)
        mean = sums / len(features)
        deviation = (squares / len(features) - mean.square()).clamp(min=0.0).sqrt()
        sizes = torch.tensor(blocks or [features.shape[1]], device=features.device)
        n_alike = (sizes * len(sizes)).repeat_interleave(sizes)  # (d,) d where there is one block
        length = deviation * n_alike.double().sqrt()
        self.center.copy_(first + mean)
        self.factor.copy_(torch.where(deviation > 0, 1.0 / length, 0.0))

    def start(self, inputs: Tensor, codes: Tensor) -> None:
        """Set the last layer to where its training starts, which needs no randomness.

        A linear layer starts at 0, a cosine one at the mean directions of the classes (LIFT). One
        behind a hidden layer keeps its random weights: from 0 the hidden layer would learn nothing.

        Args:
            inputs: (n, d) inputs of `hidden`.
            codes: (n,) classes, each present.
        """
        if not isinstance(self.hidden, nn.Identity):
            return
        with torch.no_grad():
            if isinstance(self.last, CosineLinear):
                for code, direction in enumerate(self.last.weight):
                    direction.copy_(normalize(inputs[codes == code].mean(dim=0), dim=0))
            else:
                self.last.weight.zero_()
                self.last.bias.zero_()

    def stretch_cosines(self, inputs: Tensor, codes: Tensor) -> None:
        """Set the scale so that images have 1 with their own class, on average over the classes.

        The margins of LDAM are meant for cosines near 1, which a trained network reaches. Features
        that stay as they are have cosines of .1 to .5 with the mean direction of their class.

        Args:
            inputs: (n, d) inputs of a cosine layer that `start` has set.
            codes: (n,) classes, each present.
        """
        with torch.no_grad():
            cosines = self.last(inputs).gather(1, codes[:, None])[:, 0]
            means = [cosines[codes == code].mean() for code in range(self.last.out_features)]
            mean = torch.stack(means).mean()
            self.scale.copy_((1.0 / mean.clamp(min=1 / MOST_STRETCHED)).clamp(min=1.0))

    def standardized(self, features: Tensor) -> Tensor:
        """Map features (..., d) to standardized ones."""
        return (features - self.center).mul_(self.factor)

    def view_inputs(self, features: Tensor) -> Tensor:
        """Map features (n, views, d) to what `mean_logits` reads: (n, views, d) or (n, 1, d).

        The mean of linear logits over the views is that of the mean features.
        """
        linear = isinstance(self.hidden, nn.Identity) and not isinstance(self.last, CosineLinear)
        return self.standardized(features.mean(dim=1, keepdim=True) if linear else features)

    def mean_logits(self, view_inputs: Tensor) -> Tensor:
        """Map the result of `view_inputs` to logits (n, k), averaged over the views."""
        return self.logits(self.hidden(view_inputs)).mean(dim=1)

    def last_inputs(self, features: Tensor) -> Tensor:
        """Map features (..., d) to the inputs of the last layer."""
        inputs: Tensor = self.hidden(self.standardized(features))
        return inputs

    def logits(self, inputs: Tensor) -> Tensor:
        """Map inputs of the last layer (..., d') to logits (..., k)."""
        outputs: Tensor = self.last(inputs)
        return outputs * self.scale

    @property
    def trained_layers(self) -> nn.Module:
        """The layers from standardized features to logits, before the scale; not copies."""
        if isinstance(self.hidden, nn.Identity):
            return self.last
        return nn.Sequential(self.hidden, self.last)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (..., d) to logits (..., k)."""
        return self.logits(self.last_inputs(features))

    def relinearized(self) -> "FrozenHead":
        """Return a copy with a new linear last layer, 0 everywhere, without a scale."""
        head = FrozenHead(len(self.center), self.last.out_features, LINEAR)
        head = head.to(self.center.device)
        head.center.copy_(self.center)
        head.factor.copy_(self.factor)
        head.hidden = deepcopy(self.hidden)
        head.last = nn.Linear(self.last.in_features, self.last.out_features).to(self.center)
        with torch.no_grad():
            head.last.weight.zero_()
            head.last.bias.zero_()
        return head


class FrozenNetwork(nn.Module):
    """Images (b, c, h, w) in [0, 1] to logits (b, k): a frozen network and its trained head."""

    features: AnyFeatureNetwork
    head: FrozenHead

    def __init__(self, features: AnyFeatureNetwork, head: FrozenHead) -> None:
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Map images to logits, without the views of `FrozenClassifier`."""
        logits: Tensor = self.head(self.features(images))
        return logits

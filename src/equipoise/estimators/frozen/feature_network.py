"""Networks that map images to the features of several of their layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from equipoise.arrays import fingerprint
from equipoise.discovery import Family, pick
from equipoise.estimators.scoring import channels_last
from equipoise.exceptions import SettingError
from equipoise.networks.backbone import Backbone
from equipoise.networks.backbones import build, find_backbone
from equipoise.networks.folding import fold_batch_norms
from equipoise.training.chance import isolated_chance

RANDOM = "random"  # instead of weights: untrained, from a fixed seed
JOIN = "+"  # between the names of several networks, and between their weights
PENULTIMATE, MIDDLE = "penultimate", "middle"
LAYERS: Mapping[str, str] = {
    PENULTIMATE: "What goes into the last layer.",
    MIDDLE: "The mean of the last map with a finer resolution than the last one, if there is one.",
}
FAMILY = Family(
    name="layers",
    summary="Layers of a frozen network whose features a classifier may use.",
    members=LAYERS,
    line=str,
)


@dataclass(frozen=True, kw_only=True)
class FeatureDescription:
    """What determines the features of an image, apart from its view.

    Attributes:
        network: Name of a backbone, or several with "+" between them.
        pretrained: A name of its weights, a local file, or "random"; of several backbones for all,
            or one for each with "+" between them.
        layers: Names in `LAYERS`, whose features are concatenated.
        side: Side in px to which images are resized; None leaves them.
        device: Device of the network.
    """

    network: str
    pretrained: str
    layers: tuple[str, ...]
    side: int | None
    device: str

    @property
    def parts(self) -> tuple["FeatureDescription", ...]:
        """A description for each network.

        Raises:
            SettingError: There are more or fewer weights than networks.

        Example:
            >>> both = FeatureDescription(
            ...     network="resnet18+mobilenet_v2", pretrained="official", layers=("penultimate",),
            ...     side=None, device="cpu",
            ... )
            >>> [part.network for part in both.parts]
            ['resnet18', 'mobilenet_v2']
        """
        networks = networks_in(self.network)
        weights = [self.pretrained] if len(networks) == 1 else self.pretrained.split(JOIN)
        if len(weights) == 1:
            weights *= len(networks)
        if len(weights) != len(networks):
            raise SettingError(
                f"Expected one name of weights, or {len(networks)} with '{JOIN}' between them, for "
                f"the networks {self.network}, got pretrained '{self.pretrained}'."
            )
        parts = []
        for network, pretrained in zip(networks, weights, strict=True):
            parts.append(replace(self, network=network, pretrained=pretrained))
        return tuple(parts)


class FeatureNetwork(nn.Module):
    """Maps images (b, 1 or 3, h, w) in [0, 1] to features (b, d) of several layers.

    Args:
        backbone: Record of the network.
        network: The network, which is frozen and switched to evaluation mode.
        layers: Names in `LAYERS`; "middle" is left out where the network has no such map, unless it
            is the only one.
        side: See `FeatureDescription`.
        shape: (c, h, w) of the images, to find the layers by a first pass.

    Attributes:
        dimension: d.
        blocks: Numbers of features that weigh equally together: those of each network.
    """

    def __init__(
        self,
        backbone: Backbone,
        network: nn.Module,
        *,
        layers: Sequence[str],
        side: int | None,
        shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.layers = tuple(layers)
        self.side = side
        self._outputs: dict[str, Tensor] = {}
        backbone.head_of(network).register_forward_pre_hook(self._keep_penultimate)
        device = next(network.parameters()).device
        blank = self._resized(torch.zeros((1, *shape), device=device))
        middle = middle_layer(network, blank) if MIDDLE in layers else None
        if middle is not None:
            middle.register_forward_hook(self._keep_middle)
        elif len(self.layers) > 1:
            self.layers = (PENULTIMATE,)
        elif MIDDLE in layers:
            raise SettingError(
                f"Expected a network with maps of several sizes for the layer '{MIDDLE}', got "
                f"{backbone.name}. Use layers=('{PENULTIMATE}',)."
            )
        with torch.no_grad():
            self.dimension = self(blank).shape[1]
        self.blocks = (self.dimension,)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the features; gradients flow unless the caller has switched them off."""
        self.network(channels_last(self._resized(images)))
        features = torch.cat([self._outputs[layer] for layer in self.layers], dim=1)
        self._outputs.clear()
        return features

    def train(self, mode: bool = True) -> "FeatureNetwork":
        """Stay in evaluation mode: the statistics of batch norms are part of the weights."""
        return super().train(False)

    def _resized(self, images: Tensor) -> Tensor:
        if self.side is None or images.shape[2:] == (self.side, self.side):
            return images
        size = (self.side, self.side)
        return interpolate(images, size, mode="bilinear", antialias=True)

    def _keep_penultimate(self, _head: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._outputs[PENULTIMATE] = inputs[0]

    def _keep_middle(self, _layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._outputs[MIDDLE] = output.mean(dim=(2, 3))


class JoinedFeatures(nn.Module):
    """Maps images to the features of several networks, one after the other.

    Args:
        networks: At least two.

    Attributes:
        dimension: Length of the feature vector.
        blocks: Number of features of each network.
    """

    def __init__(self, networks: Sequence[FeatureNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self._first = networks[0]
        self.blocks = tuple(network.dimension for network in networks)
        self.dimension = sum(self.blocks)

    @property
    def network(self) -> nn.Module:
        """The first network, on which Grad-CAM looks."""
        return self._first.network

    def forward(self, images: Tensor) -> Tensor:
        """Compute the features of all networks: (b, d)."""
        return torch.cat([network(images) for network in self.networks], dim=1)


AnyFeatureNetwork = FeatureNetwork | JoinedFeatures


def networks_in(network: str) -> tuple[str, ...]:
    """Return the names of the networks in a name: several are joined by "+"."""
    return tuple(network.split(JOIN)) if isinstance(network, str) else (network,)


def middle_layer(network: nn.Module, images: Tensor) -> nn.Module | None:
    """Find the layer whose output is the last map that is finer than the last map of all.

    It is found by a pass: of the layers with such an output the last one, a ReLU included. None
    where all maps have one size, or there are none.
    """
    maps: list[tuple[nn.Module, int]] = []  # layers and the numbers of pixels of their maps

    def note(layer: nn.Module, _inputs: tuple[Tensor, ...], output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            maps.append((layer, output.shape[2] * output.shape[3]))

    handles = [layer.register_forward_hook(note) for layer in network.modules()]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
    for layer, n_pixels in reversed(maps):
        if n_pixels > maps[-1][1]:
            return layer
    return None


@lru_cache(maxsize=2)
def feature_network(
    description: FeatureDescription, shape: tuple[int, ...]
) -> tuple[AnyFeatureNetwork, str]:
    """Build the network of a description, and hash its weights; the last two are remembered.

    Raises:
        SettingError: No such network, layer or weights.
        WeightsError: The file of weights is missing or does not fit.
    """
    built = [_single_network(part, shape) for part in description.parts]
    if len(built) == 1:
        return built[0]
    networks = [network for network, _ in built]
    return JoinedFeatures(networks), fingerprint(*[digest for _, digest in built])


def _single_network(
    description: FeatureDescription, shape: tuple[int, ...]
) -> tuple[FeatureNetwork, str]:
    """Build the only network of a description."""
    for layer in description.layers:
        pick(LAYERS, layer, "layer")
    backbone = find_backbone(description.network)
    side = description.side or min(shape[1:])
    with isolated_chance("frozen network", description.network):
        if description.pretrained == RANDOM:
            network = build(description.network, channels=shape[0], n_classes=2, side=side)
        else:
            network = backbone.build_pretrained(2, side, description.pretrained)
    if description.pretrained != RANDOM:
        backbone.load_weights(network, description.pretrained)
    digest = weights_digest(backbone, network)
    fold_batch_norms(network)
    on_device: Any = network.to(description.device)  # torch's stubs lack `to(memory_format=...)`
    laid_out = on_device.to(memory_format=torch.channels_last)
    built = FeatureNetwork(
        backbone, laid_out, layers=description.layers, side=description.side, shape=shape
    )
    return built, digest


def weights_digest(backbone: Backbone, network: nn.Module) -> str:
    """Hash the weights and statistics of a network, without those of its last layer."""
    head = {id(parameter) for parameter in backbone.head_of(network).parameters()}
    parts: list[object] = []
    for name, tensor in sorted(network.state_dict(keep_vars=True).items()):
        if id(tensor) not in head and not name.endswith("num_batches_tracked"):
            parts += [name, tensor.detach().numpy()]
    return fingerprint(*parts)


def check_frozen_weights(backbone: Backbone, pretrained: str | None, side: int) -> None:
    """Raise unless features of a network can be computed; nothing is read.

    Raises:
        SettingError: No weights are named, or the network has none.
        WeightsError: There is no such file.
        DataError: The images are too small for the network.
    """
    backbone.check_side(side)
    if pretrained is None:
        names = ", ".join(f"'{name}'" for name in (*backbone.weights, RANDOM))
        raise SettingError(
            f"Expected pretrained weights for frozen features of '{backbone.name}', got none. Pass "
            f"pretrained (--pretrained) as one of {names} or a file, or choose a network with "
            "weights, such as mobilenet_v2 with 'imagenet'."
        )
    if pretrained != RANDOM:
        backbone.check_weights(pretrained)

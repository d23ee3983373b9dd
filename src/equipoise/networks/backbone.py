"""What a backbone is: a classification network as a record of everything its users need of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from equipoise.exceptions import DataError, SettingError
from equipoise.networks.heads import features_before, linear_called, replace_linear
from equipoise.networks.weights import (
    InputNormalization,
    Weights,
    check_fit,
    check_weights_file,
    download,
    read_weights,
)

SMALL_SIDE = 64  # px; below it the usual stem (7x7 stride 2, max pool) leaves a last map of 1x1

Build = Callable[[int, int, int], nn.Module]  # channels, number of classes, smaller side in px


class NormalizedNetwork(nn.Sequential):
    """A pretrained network behind the normalization of its input: "0" and "1" in its state dict."""


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A classification network: images (b, c, h, w) in [0, 1] to logits (b, k).

    All methods take a network that `build` or `build_pretrained` of the same record returned; they
    find its parts by name, so that a replaced or reloaded part is found, too.

    Attributes:
        name: Its name in `equipoise.networks.backbones.BACKBONES`.
        summary: One line for users.
        source: Author, year and table of its definition.
        build: (channels, number of classes, smaller side in px) -> network with random weights
            from torch's global generator.
        trunk: Network of `build` -> module that maps images to the last map (b, d, h', w'). It
            shares the network's layers: loading a state dict into it changes the network.
        head: Name of the last linear layer, which second stages retrain.
        last_map: Name of the layer whose output Grad-CAM reads: the last map, behind its ReLU if
            the network ends with one.
        smallest_side: Least side of an image in px.
        weights: Pretrained weights by name; the first ones describe local files.
    """

    name: str
    summary: str
    source: str
    build: Build
    trunk: Callable[[nn.Module], nn.Module]
    head: str
    last_map: str
    smallest_side: int = 12
    weights: Mapping[str, Weights] = field(default_factory=dict)

    def check_side(self, side: int) -> None:
        """Raise unless images are large enough.

        Raises:
            DataError: The smaller side is below `smallest_side`.
        """
        if side < self.smallest_side:
            raise DataError(
                f"Expected images of at least {self.smallest_side} px a side for the network "
                f"'{self.name}', got {side} px. Resize them."
            )

    def head_of(self, network: nn.Module) -> nn.Linear:
        """Return the last linear layer, which maps `features` (n, d) to logits (n, k)."""
        return linear_called(_bare(network), self.head)

    def replace_head(self, network: nn.Module, kind: str) -> None:
        """Replace the last linear layer by a new one of a kind in `heads.HEADS`.

        A head of that kind stays as it is. Random weights come from torch's global generator.

        Raises:
            SettingError: No such kind.
        """
        replace_linear(_bare(network), self.head, kind)

    def features(self, network: nn.Module, images: Tensor) -> Tensor:
        """Return what goes into the last linear layer for images (n, c, h, w): (n, d).

        Gradients are computed unless the caller has switched them off.
        """
        return features_before(self.head_of(network), network, images)

    def last_map_of(self, network: nn.Module) -> nn.Module:
        """Return the layer whose output is the last map."""
        return _bare(network).get_submodule(self.last_map)

    def check_weights(self, source: str | Path) -> None:
        """Raise unless `load_weights` may find something at a source; nothing is read.

        Raises:
            SettingError: The backbone has no pretrained weights.
            WeightsError: There is no such local file.
        """
        self._weights_for(source)
        if str(source) not in self.weights:
            check_weights_file(Path(source))

    def build_pretrained(
        self, n_classes: int, side: int, source: str | Path = "imagenet"
    ) -> NormalizedNetwork:
        """Build the network that pretrained weights fit, behind the normalization of its input.

        Its weights are still random: `load_weights` loads the pretrained ones.

        Raises:
            SettingError: The backbone has no pretrained weights.
        """
        weights = self._weights_for(source)
        network = weights.build(3, n_classes, side)
        return NormalizedNetwork(InputNormalization(weights.statistics), network)

    def load_weights(self, network: nn.Module, source: str | Path) -> None:
        """Load pretrained weights into what `build_pretrained` returned; the head stays as it is.

        Args:
            network: From `build_pretrained`.
            source: A name in `weights`, for example "imagenet" (downloaded once, SHA-256 checked),
                or a local .safetensors or .pth file with the parameter names of the official one.

        Raises:
            SettingError: The backbone has no pretrained weights.
            WeightsError: The file is missing or damaged, cannot be downloaded, or does not fit.
        """
        weights = self._weights_for(source)
        if str(source) in self.weights:
            stored = download(weights.url, weights.sha256)
        else:
            stored = read_weights(Path(source))
        body = {}
        for name, tensor in stored.items():
            renamed = weights.rename(name)
            if not renamed.startswith(weights.head):
                body[renamed] = tensor
        bare = _bare(network)
        parameters = bare.state_dict()
        check_fit(body, parameters, weights.head, source)
        bare.load_state_dict({**parameters, **body})

    def _weights_for(self, source: str | Path) -> Weights:
        if not self.weights:
            raise SettingError(
                f"The network '{self.name}' has no pretrained weights. Leave out pretrained, or "
                "choose another one: `equipoise list networks` shows which have them."
            )
        return self.weights.get(str(source)) or next(iter(self.weights.values()))


def _bare(network: nn.Module) -> nn.Module:
    """Return the network without the normalization of its input."""
    return network[1] if isinstance(network, NormalizedNetwork) else network

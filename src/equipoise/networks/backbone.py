"""What a backbone is: a classification network as a record of everything its users need of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from equipoise.discovery import unknown
from equipoise.exceptions import DataError, SettingError, WeightsError
from equipoise.networks.heads import features_before, linear_called, replace_linear
from equipoise.networks.hub import HUB, check_pinned
from equipoise.networks.weight_files import (
    check_weights_file,
    obtain_file,
    place_of,
    read_weights,
)
from equipoise.networks.weights import InputNormalization, State, Weights, check_fit

USUAL_SIDE = 224  # px; of the images that published weights were learned from
SMALL_SIDE = 64  # px; below it the usual stem (7x7 stride 2, max pool) leaves a last map of 1x1
OFFICIAL = "official"  # names the first weights of any network
SIDES = (12, 16, 20, 24, 28, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 299, 320, 384)

_fitting_files: set[tuple[str, Path, int, int]] = set()  # network, file, bytes, time of change

Build = Callable[[int, int, int], nn.Module]  # channels, number of classes, smaller side in px


class NormalizedNetwork(nn.Sequential):
    """A pretrained network behind the normalization of its input: "0" and "1" in its state dict."""


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A classification network: images (b, c, h, w) in [0, 1] to logits (b, k).

    Records are pickled by name, see `equipoise.networks.backbones.name_of`.

    All methods take a network that `build` or `build_pretrained` of the same record returned; they
    find its parts by name, so that a replaced or reloaded part is found, too.

    Attributes:
        name: Its name, as `equipoise.networks.backbones.find_backbone` takes it.
        summary: One line for users.
        source: Author, year and table of its definition.
        build: (channels, number of classes, smaller side in px) -> network with random weights
            from torch's global generator.
        trunk: Network of `build` -> module that maps images to the last map (b, d, h', w'). It
            shares the network's layers: loading a state dict into it changes the network.
        head: Name of the last linear layer, which second stages retrain.
        last_map: Name of the layer whose output Grad-CAM reads: the last map, behind its ReLU if
            the network ends with one. None where there is no such layer, as in most transformers.
        smallest_side: Least side of an image in px.
        fits: Whether the network can work on images of a side in px; None where it can on all.
        weights: Pretrained weights by name; the first ones are those of "official", and describe
            local files whose name is that of no others.
        own_file: Describes local files, with the network's own parameter names, where `weights` are
            none; None where the network cannot be pretrained.
        bfloat16: Whether it trains faster in bfloat16, where there are units for it, and scores as
            well: measured by `benchmarks.precision`.
    """

    name: str
    summary: str
    source: str
    build: Build
    trunk: Callable[[nn.Module], nn.Module]
    head: str
    last_map: str | None
    smallest_side: int = 12
    fits: Callable[[int], bool] | None = None
    weights: Mapping[str, Weights] = field(default_factory=dict)
    own_file: Weights | None = None
    bfloat16: bool = False

    def __deepcopy__(self, _memo: object) -> "Backbone":
        """Return the record itself: it is immutable, and clones of an estimator share it."""
        return self

    def check_side(self, side: int) -> None:
        """Raise unless the network can work on images of a side.

        Raises:
            DataError: It cannot; the message names the nearest side that it can work on.
        """
        too_small = side < self.smallest_side
        if not too_small and (self.fits is None or self.fits(side)):
            return
        usable = self._nearest_side(side)
        bound = f"of at least {self.smallest_side} px a side" if too_small else "of a usable side"
        raise DataError(
            f"Expected images {bound} for the network '{self.name}', got {side} px. Resize them, "
            f"for example to {usable} px (--size {usable})."
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
        """Return the layer whose output is the last map.

        Raises:
            SettingError: There is none.
        """
        if self.last_map is None:
            raise SettingError(
                f"The network '{self.name}' has no layer that ends in a map of the image, which "
                "Grad-CAM needs. Choose a convolutional network."
            )
        return _bare(network).get_submodule(self.last_map)

    def check_weights(self, source: str | Path) -> None:
        """Make sure that weights are on this machine and fit, before anything is read or trained.

        A missing file of named weights is downloaded. A file without a published checksum is read
        and compared with the network, once while its size and time stay.

        Args:
            source: See `load_weights`.

        Raises:
            SettingError: The backbone has no pretrained weights.
            WeightsError: There is no such file, or it cannot be downloaded, is damaged or does not
                fit.
        """
        path = self.weights_file(source)
        record = self.weights_record(source)
        official = _is_name(source, self.weights) and path.name == place_of(record.url)
        if official and record.sha256:
            return  # the checksum of the file has been compared
        stat = path.stat()
        key = (self.name, path, stat.st_size, stat.st_mtime_ns)
        if key not in _fitting_files:
            with torch.device("meta"):
                network = self.build_pretrained(2, max(USUAL_SIDE, self.smallest_side), source)
            self._fitting_body(_bare(network), source)
            _fitting_files.add(key)

    def weights_file(self, source: str | Path) -> Path:
        """Return the file of weights, downloaded and checked; see `check_weights`."""
        record = self.weights_record(source)
        if _is_name(source, self.weights):
            return obtain_file(record.url, record.sha256)
        if str(source).startswith(HUB):
            check_pinned(str(source))
            return obtain_file(str(source), "")
        path = Path(source)
        if not path.is_file() and not path.suffix and path.name == str(source):
            raise WeightsError(unknown(str(source), [OFFICIAL, *self.weights], "weights"))
        check_weights_file(path)
        return path

    def weights_record(self, source: str | Path) -> Weights:
        """Return the record that describes weights.

        Args:
            source: See `load_weights`. A local file with the official name of weights is described
                by their record, any other one by the first.

        Raises:
            SettingError: The backbone has no pretrained weights.
        """
        is_file = bool(Path(source).suffix) or Path(source).is_file()
        if not self.weights and self.own_file is not None and is_file:
            return self.own_file
        if not self.weights:
            file = "" if self.own_file is None else "Pass a file of its own state dict. "
            raise SettingError(
                f"The network '{self.name}' has no pretrained weights by name. {file}Leave out "
                "pretrained, or choose another network: `equipoise weights list` shows which have "
                "them."
            )
        if str(source) in self.weights:
            return self.weights[str(source)]
        stem = Path(source).stem
        for record in self.weights.values():
            if stem == Path(place_of(record.url)).stem and not record.url.startswith(HUB):
                return record
        return next(iter(self.weights.values()))

    def build_pretrained(
        self, n_classes: int, side: int, source: str | Path = OFFICIAL
    ) -> NormalizedNetwork:
        """Build the network that pretrained weights fit, behind the normalization of its input.

        Its weights are still random: `load_weights` loads the pretrained ones.

        Raises:
            SettingError: The backbone has no pretrained weights.
        """
        weights = self.weights_record(source)
        network = weights.build(weights.statistics.channels, n_classes, side)
        return NormalizedNetwork(InputNormalization(weights.statistics), network)

    def load_weights(self, network: nn.Module, source: str | Path) -> None:
        """Load pretrained weights into what `build_pretrained` returned; the head stays as it is.

        Args:
            network: From `build_pretrained`, with the same source.
            source: A name in `weights`, for example "imagenet", or "official" for the first of
                them: a file that is downloaded once and checked. Or a local .safetensors or .pth
                file with the parameter names of the official one. Or a snapshot on the hub:
                hf://OWNER/NAME@COMMIT/FILE.safetensors.

        Raises:
            SettingError: The backbone has no pretrained weights.
            WeightsError: The file is missing or damaged, cannot be downloaded, or does not fit.
        """
        bare = _bare(network)
        body = self._fitting_body(bare, source)
        bare.load_state_dict({**bare.state_dict(), **body})

    def _fitting_body(self, bare: nn.Module, source: str | Path) -> State:
        """Read weights under the names of a network, without the head, and check that they fit."""
        weights = self.weights_record(source)
        path = self.weights_file(source)
        stored = read_weights(path, whole_module=weights.whole_module)
        body = weights.body(stored, bare)
        check_fit(body, bare.state_dict(), weights.head, source)
        return body

    def _nearest_side(self, side: int) -> int:
        """Return the usable side that is nearest to one that is not."""
        usable = [s for s in SIDES if s >= self.smallest_side and (not self.fits or self.fits(s))]
        return min(usable, key=lambda other: abs(other - side), default=self.smallest_side)


def _bare(network: nn.Module) -> nn.Module:
    """Return the network without the normalization of its input."""
    return network[1] if isinstance(network, NormalizedNetwork) else network


def _is_name(source: str | Path, weights: Mapping[str, Weights]) -> bool:
    return str(source) in (OFFICIAL, *weights)

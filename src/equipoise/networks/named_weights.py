"""Named pretrained weights: which there are, for which network, and whether they are here."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from equipoise.discovery import unknown
from equipoise.exceptions import WeightsError
from equipoise.networks.backbone import OFFICIAL
from equipoise.networks.backbones import BACKBONES, find_backbone
from equipoise.networks.hub import HUB, check_pinned
from equipoise.networks.timm_networks import PREFIX
from equipoise.networks.timm_weights import TIMM_WEIGHTS
from equipoise.networks.weight_files import Progress, find_file, obtain_file, place_of
from equipoise.networks.weights import Weights


@dataclass(frozen=True, kw_only=True)
class NamedWeights:
    """Pretrained weights that a command can fetch.

    Attributes:
        network: Name of the network: --network.
        weights: Name of the weights: --pretrained.
        record: Address, checksum, license and input.
    """

    network: str
    weights: str
    record: Weights

    @property
    def name(self) -> str:
        """Their name in `equipoise weights fetch`."""
        return f"{self.network}/{self.weights}"

    @property
    def file(self) -> Path | None:
        """Their file on this machine; None where it is not here."""
        return find_file(self.record.url)

    @property
    def place(self) -> str:
        """Where the file lies in the folder of weights."""
        return place_of(self.record.url)


def named_weights() -> dict[str, NamedWeights]:
    """Return all weights that have a record here, by name; timm has more.

    Example:
        >>> list(named_weights())[:2]
        ['densenet121/imagenet', 'densenet121/xrv_all']
    """
    return {weights.name: weights for weights in _named()}


def find_weights(name: str) -> NamedWeights:
    """Look up weights by name.

    Args:
        name: "NETWORK/WEIGHTS", or "NETWORK" for its official ones; networks of timm, too.

    Raises:
        SettingError: No such network, or it has no weights.
        WeightsError: The network has no weights of that name.

    Example:
        >>> find_weights("resnet50").name
        'resnet50/imagenet'
    """
    network, _, weights = name.partition("/")
    backbone = find_backbone(network)
    official = backbone.weights_record(OFFICIAL)
    if not weights:
        weights = next(key for key, record in backbone.weights.items() if record is official)
    if weights not in backbone.weights:
        raise WeightsError(unknown(weights, backbone.weights, f"weights of {network}"))
    return NamedWeights(network=network, weights=weights, record=backbone.weights[weights])


def fetch_weights(name: str, progress: Progress | None = None) -> Path:
    """Return the file of weights, downloaded where it is not here, and checked.

    Args:
        name: See `find_weights`; or the address of a snapshot on the hub,
            hf://OWNER/NAME@COMMIT/FILE.safetensors.
        progress: Called with the bytes that have arrived and the bytes in all.

    Raises:
        SettingError: See `find_weights`.
        WeightsError: There are no such weights, no connection, or the checksum is wrong.
    """
    if name.startswith(HUB):
        check_pinned(name)
        return obtain_file(name, "", progress=progress)
    record = find_weights(name).record
    return obtain_file(record.url, record.sha256, progress=progress)


def _named() -> Iterator[NamedWeights]:
    for network, backbone in BACKBONES.items():
        for weights, record in backbone.weights.items():
            yield NamedWeights(network=network, weights=weights, record=record)
    for architecture, table in TIMM_WEIGHTS.items():
        for weights, record in table.items():
            yield NamedWeights(network=PREFIX + architecture, weights=weights, record=record)

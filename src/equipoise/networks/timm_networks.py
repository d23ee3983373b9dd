"""Build networks of timm, and find the parts of a network without computing anything."""

import difflib
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from equipoise.exceptions import DataError, SettingError
from equipoise.networks.probing import can_run, layer_that_returns, unmaterialized

PREFIX = "timm:"
INSTALL = "pip install 'equipoise[timm]'"
N_NEAREST = 3  # names in the message about an unknown one


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The parts of a network of timm.

    Attributes:
        head: Name of the last linear layer.
        last_map: Name of the layer that returns the last map (b, d, h, w); None where none does.
        has_map: Whether its features before pooling are a map, and not tokens.
        channels_last: Whether this map is (b, h, w, d).
    """

    head: str
    last_map: str | None
    has_map: bool
    channels_last: bool


class TimmTrunk(nn.Module):
    """A network of timm up to its last map.

    Args:
        network: The network, with which the layers are shared.
        layout: Its parts.
    """

    def __init__(self, network: nn.Module, layout: Layout) -> None:
        super().__init__()
        self.body = without_layer(network, layout.head)
        self.channels_last = layout.channels_last

    def forward(self, images: Tensor) -> Tensor:
        """Map images (b, c, h, w) to the last map (b, d, h', w')."""
        forward_features: Any = self.body.forward_features
        maps: Tensor = forward_features(images)
        return maps.permute(0, 3, 1, 2) if self.channels_last else maps


def import_timm() -> ModuleType:
    """Import timm.

    Raises:
        SettingError: It is not installed, or cannot be imported here.
    """
    try:
        return import_module("timm")
    except ModuleNotFoundError as error:
        raise SettingError(
            f"Networks of timm need the packages timm and torchvision, and '{error.name}' is not "
            f"installed. Install them with `{INSTALL}`, or choose a network of "
            "`equipoise list networks`."
        ) from error
    except Exception as error:  # a torchvision that does not belong to this torch raises anything
        reason = str(error).split("\n", maxsplit=1)[0]
        raise SettingError(
            f"timm is installed but cannot be imported: {reason}. Most often torchvision does not "
            "belong to the installed torch: install the pair of versions that "
            "github.com/pytorch/vision lists, or choose a network of `equipoise list networks`."
        ) from error


def check_name(timm: ModuleType, model: str) -> None:
    """Raise unless timm has a network of this name, with this tag where it has one.

    Raises:
        SettingError: It has none; the message names the nearest ones.
    """
    architecture, _, tag = model.partition(".")
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=N_NEAREST, cutoff=0.4)
        kind = "network"
    else:
        tagged = timm.list_pretrained(f"{architecture}*")
        if not tag or model in tagged:
            return
        near = difflib.get_close_matches(model, tagged, n=N_NEAREST, cutoff=0.0)
        kind = "pretrained network"
    nearest = ", ".join(f"'{PREFIX}{name}'" for name in near) or "none is near"
    raise SettingError(
        f"timm {timm.__version__} has no {kind} named '{model}'. Nearest: {nearest}."
    )


@lru_cache(maxsize=128)
def probe(model: str) -> Layout:
    """Find the parts of a network, without computing anything.

    Raises:
        SettingError: It does not end in one linear layer.
    """
    side = native_side(model)
    with unmaterialized(), torch.no_grad():
        network = create(model, 3, 2, {}).eval()
        classifier = network.get_classifier()
        if not isinstance(classifier, nn.Linear):
            kind = type(classifier).__name__
            ending = "several last layers" if kind in ("tuple", "ModuleList") else f"a {kind}"
            raise SettingError(
                f"The network '{PREFIX}{model}' ends in {ending}. Expected one that ends in one "
                "linear layer, which losses and second stages replace. Choose another one."
            )
        head = next(name for name, layer in network.named_modules() if layer is classifier)
        images = torch.empty(2, 3, side, side)
        output: Any = network.forward_features(images)
        has_map = isinstance(output, Tensor) and output.ndim == 4
        channels_last = str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC")
        last_map = None
        if has_map and not channels_last:
            last_map = layer_that_returns(network, lambda: network.forward_features(images))
    return Layout(head=head, last_map=last_map, has_map=has_map, channels_last=channels_last)


def create(model: str, channels: int, n_classes: int, options: Mapping[str, object]) -> Any:
    """Build a network of timm with random weights of torch's global generator."""
    return import_timm().create_model(
        model, pretrained=False, num_classes=n_classes, in_chans=channels, **options
    )


def native_side(model: str) -> int:
    """Return the side in px that a network was made for."""
    return int(import_timm().get_pretrained_cfg(model).input_size[-1])


@lru_cache(maxsize=1024)
def options_at(model: str, side: int) -> Mapping[str, object] | None:
    """Return the options with which a network works on images of a side in px; None for none.

    Networks of a fixed side (`fixed_input_size`) are asked to interpolate their position embedding
    to the images, or else to be built for the side.
    """
    candidates: list[Mapping[str, object]] = [{}]
    if import_timm().get_pretrained_cfg(model).fixed_input_size:
        candidates = [{"dynamic_img_size": True, "dynamic_img_pad": True}, {"img_size": side}]
        if side == native_side(model):
            candidates.append({})
    for options in candidates:
        if can_run(partial(create, model, 3, 2, options), side):
            return options
    return None


def fits(model: str, side: int) -> bool:
    """Return whether a network works on images of a side in px."""
    return options_at(model, side) is not None


def build_timm(model: str, channels: int, n_classes: int, side: int) -> nn.Module:
    """Build a network of timm for images of a side in px, with random weights.

    Raises:
        DataError: It does not work on such images.
    """
    options = options_at(model, side)
    if options is None:
        raise DataError(
            f"The network '{PREFIX}{model}' does not work on images of {side} px. Resize them to "
            f"{native_side(model)} px (--size {native_side(model)})."
        )
    network: nn.Module = create(model, channels, n_classes, options)
    return network


def timm_trunk(name: str, layout: Layout, network: nn.Module) -> nn.Module:
    """Return the layers up to the last map.

    Raises:
        SettingError: The network has tokens in place of a map.
    """
    if not layout.has_map:
        raise SettingError(
            f"The network '{name}' has no map of the image that a VAE could decode. Choose a "
            "convolutional network."
        )
    return TimmTrunk(network, layout)


def without_layer(network: nn.Module, name: str) -> nn.Module:
    """Return a network that shares all layers with another one but has none of a name."""
    first, _, rest = name.partition(".")
    twin = copy(network)
    twin._modules = dict(network._modules)
    child = network.get_submodule(first)
    twin._modules[first] = without_layer(child, rest) if rest else nn.Identity()
    return twin

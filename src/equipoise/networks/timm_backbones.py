"""Every classification network of timm by its name there: timm:convnext_tiny.fb_in22k, ...

timm is an optional package (`pip install 'equipoise[timm]'`) and is imported where a network of it
is named.
"""

import re
import sys
from functools import lru_cache, partial
from typing import Any

from torch import nn

from equipoise.networks.backbone import Backbone
from equipoise.networks.hub import HUB, NEWEST
from equipoise.networks.timm_networks import (
    PREFIX,
    build_timm,
    check_name,
    fits,
    import_timm,
    probe,
    timm_trunk,
)
from equipoise.networks.timm_weights import TIMM_WEIGHTS
from equipoise.networks.weights import InputStatistics, State, Weights

_HASHED = re.compile(r"-([0-9a-f]{8,64})\.pth?$")


@lru_cache(maxsize=128)
def find_timm(name: str) -> Backbone:
    """Describe a network of timm as a record.

    Raises:
        SettingError: timm is not installed, has no such network, or the network does not end in one
            linear layer.
    """
    model = name.removeprefix(PREFIX)
    timm = import_timm()
    check_name(timm, model)
    layout = probe(model)
    config = timm.get_pretrained_cfg(model)
    return Backbone(
        name=name,
        summary=f"{model} of timm.",
        source=f"timm {timm.__version__}",
        build=partial(build_timm, model),
        trunk=partial(timm_trunk, name, layout),
        head=layout.head,
        last_map=layout.last_map,
        fits=partial(fits, model),
        weights=timm_weights(model, config, layout.head),
    )


def timm_weights(model: str, config: Any, head: str) -> dict[str, Weights]:
    """Return the weights of a network: those of its tag, then others with a published checksum."""
    architecture, _, tag = model.partition(".")
    weights: dict[str, Weights] = {}
    url, sha256 = official_address(config)
    if url and config.input_size[0] == 3:
        weights[tag or config.tag or "timm"] = Weights(
            url=url,
            sha256=sha256,
            license=config.license or "not stated; see its card on the hub",
            statistics=InputStatistics(
                tuple(config.mean), tuple(config.std), side=config.input_size[-1]
            ),
            build=partial(build_timm, model),
            head=f"{head}.",
            adapt=adapt,
        )
    return {**weights, **TIMM_WEIGHTS.get(architecture, {})}


def official_address(config: Any) -> tuple[str, str]:
    """Return the address of the weights and the digits of their SHA-256; "" for what is missing.

    An address whose file name contains digits of its SHA-256 is preferred to the hub, whose file
    may change.
    """
    hashed = None if config.custom_load else _HASHED.search(config.url or "")
    if hashed is not None:
        return str(config.url), hashed[1]
    file = config.hf_hub_filename or "model.safetensors"
    if config.hf_hub_id and file.endswith(".safetensors") and config.custom_load != "hf":
        return f"{HUB}{config.hf_hub_id}@{NEWEST}/{file}", ""
    return "", ""


def adapt(stored: State, network: nn.Module) -> State:
    """Convert the tensors of a file as timm does for the network: other names, other sides."""
    module = sys.modules[type(network).__module__]
    convert = getattr(module, "checkpoint_filter_fn", None)
    if convert is None:
        return stored
    converted: State = convert(dict(stored), network)
    return converted

"""Classification networks by name; each file of this package contributes its own.

To add one, write a file here that lists its records in `BACKBONES`; nothing else has to change.
MONAI's and timm's are found by their names there, a record of a user's own by its import path.
"""

import copyreg
import importlib
import re
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from torch import nn

from equipoise.discovery import Family, modules, pick
from equipoise.exceptions import SettingError
from equipoise.networks.backbone import Backbone
from equipoise.networks.monai_networks import MONAI_BACKBONES, find_monai
from equipoise.networks.monai_networks import PREFIX as MONAI
from equipoise.networks.timm_backbones import find_timm
from equipoise.networks.timm_networks import INSTALL
from equipoise.networks.timm_networks import PREFIX as TIMM

_IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _all_backbones() -> dict[str, Backbone]:
    backbones: dict[str, Backbone] = {}
    for module in modules(sys.modules[__name__]).values():
        for backbone in module.BACKBONES:
            backbones[backbone.name] = backbone
    return backbones


BACKBONES = _all_backbones()


def listed() -> dict[str, Backbone | str]:
    """Return the records of this package and of MONAI by name, and a line about timm's."""
    about_timm = (
        "Any network of timm, for example timm:convnext_tiny.fb_in22k or "
        f"timm:vit_small_patch14_dinov2; {INSTALL}."
    )
    about_others = "A `Backbone` of your own: the module and the name of the record in it."
    others = {f"{TIMM}NAME": about_timm, "MODULE:RECORD": about_others}
    return {**BACKBONES, **MONAI_BACKBONES, **others}


def line_about(member: Backbone | str) -> str:
    """Return the line of a list about a network."""
    return member if isinstance(member, str) else member.summary


FAMILY = Family(
    name="networks",
    summary="Networks of a classifier: --network.",
    members=listed,
    line=line_about,
)


def find_backbone(network: str | Backbone) -> Backbone:
    """Look up the record of a network.

    Args:
        network: A name in `BACKBONES`; "monai:NAME" or "timm:NAME" with the name of a network
            there; "package.module:RECORD" for a record that a module contains; or a record, which
            is returned.

    Raises:
        SettingError: No such network; the message names the nearest one.

    Example:
        >>> find_backbone("resnet18").weights["imagenet"].sha256[:8]
        'f37072fd'
        >>> find_backbone("monai:seresnet50").head
        'last_linear'
    """
    if isinstance(network, Backbone):
        return network
    if network.startswith(TIMM):
        return find_timm(network)
    if network.startswith(MONAI):
        return find_monai(network)
    if _IMPORT_PATH.fullmatch(network):
        return import_backbone(network)
    return pick(BACKBONES, network, "network")


def import_backbone(path: str) -> Backbone:
    """Import a record by the path of its module and its name there.

    Raises:
        SettingError: There is no such module or record.

    Example:
        >>> import_backbone("equipoise.networks.backbones:BACKBONES")
        Traceback (most recent call last):
            ...
        equipoise.exceptions.SettingError: Expected a record at ...
    """
    module, _, name = path.partition(":")
    try:
        imported = importlib.import_module(module)
    except ImportError as error:
        near = get_close_matches(f"{module}:", (TIMM, MONAI), n=1)
        meant = f" Did you mean '{near[0]}{name}'?" if near else ""
        raise SettingError(
            f"Cannot import the network '{path}': {error}.{meant} Write the path of an installed "
            "module, a colon and the name of the record in it."
        ) from error
    record = getattr(imported, name, None)
    if not isinstance(record, Backbone):
        names = [key for key, value in vars(imported).items() if isinstance(value, Backbone)]
        got = "nothing" if record is None else type(record).__name__
        raise SettingError(
            f"Expected a record at '{path}', an instance of equipoise.networks.backbone.Backbone, "
            f"got {got}. Records in {module}: {', '.join(sorted(names)) or 'none'}."
        )
    return record


def check_stored_network(networks: str, file: Path | str) -> None:
    """Refuse networks whose module would be imported because a file names it.

    Importing a module executes it, and the file may come from someone else. What the user names is
    imported before, by `find_backbone`.

    Args:
        networks: A name that `find_backbone` takes, or several with "+" between them.
        file: Where it is stored, for the message.

    Raises:
        SettingError: A module has not been imported yet.

    Example:
        >>> check_stored_network("resnet18+hospital.networks:LUNG_NET", Path("model.json"))
        Traceback (most recent call last):
            ...
        equipoise.exceptions.SettingError: Expected a network of equipoise, ...
    """
    for network in networks.split("+"):
        module = network.partition(":")[0]
        of_library = network.startswith((TIMM, MONAI))
        if _IMPORT_PATH.fullmatch(network) and not of_library and module not in sys.modules:
            raise SettingError(
                f"Expected a network of equipoise, MONAI or timm in {file}, got '{network}', whose "
                "module would be executed. If you trust it, name it yourself: --network "
                f"{network} (in Python, import {module} first)."
            )


def name_of(network: str | Backbone) -> str:
    """Return the name by which `find_backbone` finds a network, which settings can store.

    A record of a user's own is searched in the module of its `build` function.

    Raises:
        SettingError: The record is in no module, so that no other process could find it.
    """
    if isinstance(network, str):
        return network
    if BACKBONES.get(network.name) == network:
        return network.name
    if network.name.startswith((TIMM, MONAI)):
        return network.name
    build = network.build.func if isinstance(network.build, partial) else network.build
    module = str(getattr(build, "__module__", "__main__"))
    for name, value in vars(sys.modules[module]).items():
        if module != "__main__" and isinstance(value, Backbone) and value == network:
            return f"{module}:{name}"
    raise SettingError(
        f"Expected a network that another process can find, got the record '{network.name}', which "
        f"the module {module} of its build function does not contain. Write record and function at "
        "the top of a module that can be imported, and pass 'package.module:RECORD'."
    )


def _pickled_by_name(backbone: Backbone) -> tuple[Callable[[str], Backbone], tuple[str]]:
    return find_backbone, (name_of(backbone),)


copyreg.pickle(Backbone, _pickled_by_name)


def build(name: str | Backbone, *, channels: int, n_classes: int, side: int) -> nn.Module:
    """Build a network with random weights from torch's global generator.

    Args:
        name: See `find_backbone`.
        channels: Channels of the images.
        n_classes: Outputs (logits).
        side: Smaller side of the images in px.

    Raises:
        SettingError: No such network.
        DataError: The images are too small for it.

    Example:
        >>> import torch
        >>> network = build("small_cnn", channels=1, n_classes=3, side=28)
        >>> network(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 3])
    """
    backbone = find_backbone(name)
    backbone.check_side(side)
    return backbone.build(channels, n_classes, side)

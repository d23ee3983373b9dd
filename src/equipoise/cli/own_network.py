"""`--network` where a run is used: names its network of one's own, which is imported then."""

from typing import Annotated

import typer

from equipoise.cli.voice import say

OwnNetwork = Annotated[
    str | None,
    typer.Option(
        "--network",
        help="Network of your own that the run names, module:RECORD: its module is executed. Not "
        "needed for networks of equipoise, MONAI and timm.",
        rich_help_panel="Reading",
        show_default=False,
    ),
]


def import_network(names: str | None) -> None:
    """Import the module of a network, or of several with "+" between them.

    That modules are programs is said, since they may do whatever their user may do.

    Raises:
        SettingError: There is no such network.
    """
    if names is None:
        return
    from equipoise.networks.backbones import find_backbone

    say(f"{names}: its module is a program, executed now; it may do whatever you may.")
    for name in names.split("+"):
        find_backbone(name)

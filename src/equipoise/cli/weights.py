"""The command `weights`: list, fetch and locate the files of pretrained networks."""

from typing import Annotated

import typer

from equipoise.cli.terminal import Terminal

WeightsName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="NETWORK/WEIGHTS of `equipoise weights list`, NETWORK alone (timm:... too), or "
        "hf://OWNER/NAME@COMMIT/FILE.safetensors.",
        show_default=False,
    ),
]
OptionalName = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="As in `fetch`.", show_default="the folder"),
]

weights = typer.Typer(
    name="weights",
    help="Pretrained weights: list them, fetch them for a machine that goes offline, find them.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Add the command with its three parts."""
    weights.command(name="list")(list_weights)
    weights.command(epilog="Example: [bold]equipoise weights fetch resnet50/radimagenet[/]")(fetch)
    weights.command()(where)
    app.add_typer(weights)


def list_weights() -> None:
    """List the named weights: network, side, license, how a file is checked, whether it is here."""
    from rich.table import Table

    from equipoise.networks.named_weights import named_weights
    from equipoise.networks.weight_files import FOLDER, weights_folder

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "side", "here", "checked by", "license"):
        table.add_column(heading, no_wrap=heading == "name")
    for name, entry in named_weights().items():
        record = entry.record
        here = "yes" if entry.file else "no"
        side = f"{record.statistics.side} px"
        table.add_row(name, side, here, record.checked_by, record.license)
    console = Terminal()
    console.print(table)
    console.print(
        "A name is NETWORK/WEIGHTS: --network NETWORK --pretrained WEIGHTS. Networks of timm have "
        f"more: --pretrained official. Files are in {weights_folder()} (${FOLDER} names another "
        "folder).",
        highlight=False,
        soft_wrap=True,
    )


def fetch(name: WeightsName) -> None:
    """Download weights, check them, and print where they are."""
    from equipoise.cli.bars import download_bar
    from equipoise.networks.named_weights import fetch_weights
    from equipoise.networks.weight_files import digest_of

    with download_bar() as progress:
        path = fetch_weights(name, progress)
    typer.echo(f"{path} (SHA-256 {digest_of(path)})")


def where(name: OptionalName = None) -> None:
    """Print the folder of weights, or the file of named ones: where it is, or has to be put."""
    from equipoise.networks.named_weights import find_weights
    from equipoise.networks.weight_files import weights_folder

    if name is None:
        typer.echo(str(weights_folder()))
        return
    entry = find_weights(name)
    if entry.file is not None:
        typer.echo(str(entry.file))
        return
    typer.echo(f"{weights_folder() / entry.place} (not here; from {entry.record.url})")

"""The options of reading images that several commands share, with the help of each."""

from pathlib import Path
from typing import Annotated

import typer

DATA = "Reading images"
PLANNED = "chosen for --time"

Size = Annotated[
    int | None,
    typer.Option(
        help="Side of the square images in pixels; all are resized to it.",
        rich_help_panel=DATA,
        show_default=PLANNED,
    ),
]
Fit = Annotated[
    str,
    typer.Option(
        help="Make images square: 'pad', 'crop' (both keep the aspect ratio) or 'stretch'.",
        rich_help_panel=DATA,
    ),
]
Channels = Annotated[str, typer.Option(help="'auto', 'gray' or 'rgb'.", rich_help_panel=DATA)]
Groups = Annotated[
    str | None,
    typer.Option(
        help="Regular expression that finds the patient in a file's path; its first group names "
        "the patient.",
        rich_help_panel=DATA,
        show_default="every image counts as its own patient",
    ),
]
Table = Annotated[
    Path | None,
    typer.Option(
        help="CSV with path, label and optionally patient and split.", rich_help_panel=DATA
    ),
]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the label.", rich_help_panel=DATA)]
PathColumn = Annotated[str | None, typer.Option(help="Column of the path.", rich_help_panel=DATA)]
GroupColumn = Annotated[
    str | None, typer.Option(help="Column of the patient, or 'none'.", rich_help_panel=DATA)
]
SplitColumn = Annotated[
    str | None, typer.Option(help="Column of the split, or 'none'.", rich_help_panel=DATA)
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        help="Files and folders to leave out, as a pattern with * and ? of their names or paths, "
        "such as '*_mask.*' or masks. May be repeated.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]
FollowLinks = Annotated[
    bool,
    typer.Option(
        "--follow-links", help="Follow links that lead out of the folder.", rich_help_panel=DATA
    ),
]
OnError = Annotated[
    str, typer.Option(help="Files that cannot be decoded: 'stop' or 'skip'.", rich_help_panel=DATA)
]

"""The options of `run` that concern heads on frozen features."""

from typing import Annotated

import typer

FROZEN_FEATURES = "Frozen features (--regime frozen)"

Views = Annotated[
    int,
    typer.Option(
        min=1,
        max=8,
        help="Fixed views of every image (those of --augmentation), in training and test.",
        rich_help_panel=FROZEN_FEATURES,
    ),
]
Head = Annotated[
    str,
    typer.Option(help="'linear', 'cosine' or 'mlp'.", rich_help_panel=FROZEN_FEATURES),
]

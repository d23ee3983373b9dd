"""The options of `run` that only --task segmentation has, with the help of each."""

from typing import Annotated

import typer

from equipoise.experiments.protocol import MOST_REPEATS, MOST_STEPS

VOLUMES = "Segmentation (--task segmentation)"

Folds = Annotated[
    int | None,
    typer.Option(
        min=2,
        max=MOST_REPEATS,
        help="Folds of patients.",
        rich_help_panel=VOLUMES,
        show_default="5, or one per patient if there are fewer",
    ),
]
LabelNames = Annotated[
    str | None,
    typer.Option(
        "--labels",
        help="Meaning of the numbers in label files: see equipoise list label_schemes; or 'plain'.",
        rich_help_panel=VOLUMES,
        show_default="guessed from the numbers; a note says how",
    ),
]
Modalities = Annotated[
    str | None,
    typer.Option(
        help="Channels, separated by commas, for example FLAIR,T1c.",
        rich_help_panel=VOLUMES,
        show_default="those that every case has",
    ),
]
N4 = Annotated[
    bool,
    typer.Option(
        "--n4", help="Correct the bias field of T1 and T1c (N4).", rich_help_panel=VOLUMES
    ),
]
PatchSize = Annotated[
    int,
    typer.Option(
        min=32,
        max=1024,
        help="Side of patches in pixels: a multiple of 8, with methods called unet_... of 16.",
        rich_help_panel=VOLUMES,
    ),
]
PatchBatch = Annotated[
    int, typer.Option(min=2, max=4096, help="Patches per optimizer step.", rich_help_panel=VOLUMES)
]
EpochSteps = Annotated[
    int,
    typer.Option(
        min=1,
        max=MOST_STEPS,
        help="Steps between validation evaluations and new hard-example lists.",
        rich_help_panel=VOLUMES,
    ),
]
Width = Annotated[
    int,
    typer.Option(
        min=1,
        max=1024,
        help="Channels of the first layers; 64 in paper S3.",
        rich_help_panel=VOLUMES,
    ),
]

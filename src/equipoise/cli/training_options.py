"""The options of `run` that say how classifiers, generators and heads are trained."""

from typing import Annotated

import typer

from equipoise.cli.reading_options import PLANNED
from equipoise.experiments.protocol import MOST_STEPS, MOST_WORKERS, Budget, VolumeBudget

TRAINING = "Training budget"
FROZEN_FEATURES = "Frozen features (--regime frozen)"

_BUDGET = Budget()
_VOLUME_BUDGET = VolumeBudget()

Regime = Annotated[
    str | None,
    typer.Option(
        help="'scratch' trains all layers; 'frozen' trains a head on features of a pretrained "
        "network, computed once: minutes for hundreds of cells; 'finetune' trains all layers of a "
        "pretrained network, the lower ones slowly.",
        rich_help_panel=TRAINING,
        show_default=PLANNED,
    ),
]
Network = Annotated[
    str | None,
    typer.Option(
        help="Classifier network: a name of `equipoise list networks`, monai:NAME, timm:NAME, or "
        "module:RECORD; with --regime frozen also several: mobilenet_v2+timm:NAME.",
        rich_help_panel=TRAINING,
        show_default=f"mobilenet_v2 where its weights can be had, else {_BUDGET.network}",
    ),
]
Pretrained = Annotated[
    str | None,
    typer.Option(
        help="Initial weights: 'official' or another name of `equipoise weights list`, a "
        ".safetensors or .pth file, or hf://OWNER/NAME@COMMIT/FILE.safetensors.",
        rich_help_panel=TRAINING,
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_STEPS,
        help="Optimizer steps of the classifier.",
        rich_help_panel=TRAINING,
        show_default=f"{PLANNED}; of volumes {_VOLUME_BUDGET.n_steps}",
    ),
]
GanSteps = Annotated[
    int,
    typer.Option(
        min=1, max=MOST_STEPS, help="Generator steps of every GAN.", rich_help_panel=TRAINING
    ),
]
GanSize = Annotated[
    int | None,
    typer.Option(
        min=8,
        help="Side in pixels at which generators work; their images are enlarged to --size.",
        rich_help_panel=TRAINING,
        show_default="--size",
    ),
]
Augmentation = Annotated[
    str,
    typer.Option(
        help="'film' (no flips), 'cell' (any flip and angle), 'skin' (flips, color), 'stain' "
        "(flips, more color) or 'none'.",
        rich_help_panel=TRAINING,
    ),
]
Checkpoint = Annotated[
    str,
    typer.Option(
        help="Weights that every classifier keeps: 'best' on the validation images, or 'last', "
        "averaged. The report shows both.",
        rich_help_panel=TRAINING,
    ),
]
PrecisionName = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="Of what is trained: '32-true', 'bf16-mixed' (bfloat16), or 'auto': bfloat16 where "
        "the processor or GPU has units for it and the network loses nothing by it.",
        rich_help_panel=TRAINING,
        show_default="auto; 32-true with --task segmentation",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="'auto', 'cpu', 'cuda' (all GPUs), 'cuda:0' or 'mps'; those of this machine: "
        "equipoise list devices.",
        rich_help_panel=TRAINING,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_WORKERS,
        help="Worker processes.",
        rich_help_panel=TRAINING,
        show_default="one per core; on GPUs one each",
    ),
]
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

"""The options of the commands, named once, with the help that the terminal shows."""

from pathlib import Path
from typing import Annotated

import typer

DATA, PROTOCOL, TRAINING, OUTPUT = "Reading images", "Comparison", "Training budget", "Output"
VOLUMES = "Segmentation (--task segmentation)"

Images = Annotated[
    str,
    typer.Argument(
        help="Folder of class folders, CSV table, MedMNIST .npz, a STUDY.py that defines `study`; or, with --task "
        "segmentation, a folder of case folders or a CSV table of cases.",
        show_default=False,
    ),
]
Size = Annotated[
    int, typer.Option(help="Side in pixels that images are resized to.", rich_help_panel=DATA)
]
Fit = Annotated[
    str,
    typer.Option(help="Keep the aspect and 'pad' or 'crop', or 'stretch'.", rich_help_panel=DATA),
]
Channels = Annotated[str, typer.Option(help="'auto', 'gray' or 'rgb'.", rich_help_panel=DATA)]
Groups = Annotated[
    str | None,
    typer.Option(
        help="Regular expression that finds the patient in a file's path; its first group is the patient.",
        rich_help_panel=DATA,
        show_default="every image is a patient",
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
    str | None, typer.Option(help="Column of the patient.", rich_help_panel=DATA)
]
SplitColumn = Annotated[str | None, typer.Option(help="Column of the split.", rich_help_panel=DATA)]
OnError = Annotated[
    str, typer.Option(help="Files that cannot be decoded: 'stop' or 'skip'.", rich_help_panel=DATA)
]
Methods = Annotated[
    str | None,
    typer.Option(
        help="Methods, separated by commas, the baseline first, or 'all'. See: equipoise list methods, or "
        "volume_methods.",
        rich_help_panel=PROTOCOL,
        show_default="none,class_weights,oversampling,dcgan,cdcgan; of volumes random,balanced,hard_example,"
        "balanced_corrected",
    ),
]
Task = Annotated[
    str,
    typer.Option(
        help="'classification' of images or 'segmentation' of volumes.", rich_help_panel=PROTOCOL
    ),
]
Seeds = Annotated[
    int,
    typer.Option(min=1, help="Trainings of every method on every split.", rich_help_panel=PROTOCOL),
]
Splits = Annotated[
    int, typer.Option(min=1, help="Repeated patient-grouped hold-outs.", rich_help_panel=PROTOCOL)
]
Folds = Annotated[
    int | None,
    typer.Option(
        min=2,
        help="Folds of patients.",
        rich_help_panel=VOLUMES,
        show_default="5, or one for each of fewer patients",
    ),
]
LabelNames = Annotated[
    str | None,
    typer.Option(
        "--labels",
        help="What the numbers in label maps mean: see equipoise list label_schemes, or 'plain'.",
        rich_help_panel=VOLUMES,
        show_default="guessed from the numbers, and said",
    ),
]
Modalities = Annotated[
    str | None,
    typer.Option(
        help="Channels, separated by commas, as FLAIR,T1c.",
        rich_help_panel=VOLUMES,
        show_default="those that every case has",
    ),
]
N4 = Annotated[
    bool,
    typer.Option(
        "--n4", help="Correct the bias field of T1 and T1c first.", rich_help_panel=VOLUMES
    ),
]
PatchSize = Annotated[
    int, typer.Option(min=16, help="Side of patches in pixels.", rich_help_panel=VOLUMES)
]
PatchBatch = Annotated[int, typer.Option(min=2, help="Patches in a step.", rich_help_panel=VOLUMES)]
EpochSteps = Annotated[
    int,
    typer.Option(
        min=1, help="Steps between two lists of hard examples and looks.", rich_help_panel=VOLUMES
    ),
]
Width = Annotated[
    int,
    typer.Option(
        min=1, help="Channels of the first layers; 64 in paper S3.", rich_help_panel=VOLUMES
    ),
]
Precision = Annotated[str, typer.Option(help="'32-true' or 'bf16-mixed'.", rich_help_panel=VOLUMES)]
Rare = Annotated[
    str | None,
    typer.Option(
        help="The positive class.", rich_help_panel=PROTOCOL, show_default="the smallest class"
    ),
]
PrimaryMetric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="Metric that decides the verdict.",
        rich_help_panel=PROTOCOL,
        show_default="balanced_accuracy; mean_dice of volumes",
    ),
]
DuplicatePolicy = Annotated[
    str,
    typer.Option(
        "--duplicates",
        help="Copies across a split: 'refuse', 'merge' into one patient, or 'report' and go on.",
        rich_help_panel=PROTOCOL,
    ),
]
OwnSplit = Annotated[
    bool,
    typer.Option(
        "--own-split/--new-splits", help="Keep the source's test part.", rich_help_panel=PROTOCOL
    ),
]
ProtocolName = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="Of a STUDY.py that has several, as 'clean' or 'literal'.",
        rich_help_panel=PROTOCOL,
        show_default="the first",
    ),
]
Network = Annotated[str, typer.Option(help="Classifier network.", rich_help_panel=TRAINING)]
Pretrained = Annotated[
    str | None,
    typer.Option(help="'imagenet', or a .safetensors or .pth file.", rich_help_panel=TRAINING),
]
Steps = Annotated[
    int, typer.Option(min=1, help="Optimizer steps of the classifier.", rich_help_panel=TRAINING)
]
GanSteps = Annotated[
    int, typer.Option(min=1, help="Generator steps of every GAN.", rich_help_panel=TRAINING)
]
Augmentation = Annotated[
    str,
    typer.Option(help="'film' (no flips), 'cell' (any flip) or 'none'.", rich_help_panel=TRAINING),
]
Device = Annotated[
    str, typer.Option(help="'auto', 'cpu', 'cuda' or 'mps'.", rich_help_panel=TRAINING)
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes.",
        rich_help_panel=TRAINING,
        show_default="one per core; on a GPU one",
    ),
]
Note = Annotated[
    list[str] | None,
    typer.Option(
        help="What a reader must know about these images; leads the report's warnings. May be repeated.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the run.", rich_help_panel=OUTPUT, show_default="runs/NAME"),
]

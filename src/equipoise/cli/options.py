"""The options that several commands share, and all options of `run`, with the help of each.

Defaults are those of the records that the options fill.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from equipoise.cli import reading_options as reading
from equipoise.cli import volume_options as volume
from equipoise.cli.config import Config
from equipoise.cli.executor_options import (
    PROCESSES,
    Executor,
    MaxMemory,
    RayAddress,
    ray_address,
)
from equipoise.cli.reading_options import PLANNED
from equipoise.cli.report import Names
from equipoise.cli.training_options import (
    Augmentation,
    Checkpoint,
    Device,
    GanSize,
    GanSteps,
    Head,
    Network,
    PrecisionName,
    Pretrained,
    Regime,
    Steps,
    Views,
    Workers,
)
from equipoise.data.images.options import ReadOptions
from equipoise.data.volumes.options import VolumeOptions
from equipoise.discovery import unknown
from equipoise.exceptions import SettingError
from equipoise.experiments.protocol import (
    MOST_REPEATS,
    Budget,
    Protocol,
    VolumeBudget,
    VolumeProtocol,
)

Options = TypeVar("Options")
Progress = Callable[[int, int], None]

PROTOCOL = "Comparison"
OUTPUT = "Output"
CLASSIFICATION, SEGMENTATION = "classification", "segmentation"
DEFAULT_TIME = "30m"

_READING = ReadOptions()
_PROTOCOL = Protocol()
_BUDGET = Budget()
_VOLUME_READING = VolumeOptions()
_VOLUME_PROTOCOL = VolumeProtocol()
_VOLUME_BUDGET = VolumeBudget()
_METHODS = ",".join(_PROTOCOL.methods)
_VOLUME_METHODS = ",".join(_VOLUME_PROTOCOL.methods)

Images = Annotated[
    str,
    typer.Argument(
        help="Folder of class folders, CSV table, MedMNIST .npz, or a STUDY.py, a program "
        "that is executed and defines `study`; with --task segmentation, a folder of case folders "
        "or a CSV table of cases.",
        show_default=False,
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        help="Time the run may take, such as 90s, 10m, 2h, 1h30m: regime, size, steps, splits, "
        "seeds and methods are chosen for it, as far as no option names them.",
        rich_help_panel=PROTOCOL,
        show_default=f"{DEFAULT_TIME}, unless --size, --splits, --seeds and --steps (or "
        "--regime frozen) are all given",
    ),
]
Methods = Annotated[
    str | None,
    typer.Option(
        help="Methods, separated by commas, the baseline first; or 'all'; or some of a STUDY.py. "
        "See: equipoise list methods, equipoise list volume_methods.",
        rich_help_panel=PROTOCOL,
        show_default=f"{_METHODS} and, where there is time, strong_gan with its control replay; "
        f"of volumes {_VOLUME_METHODS}",
    ),
]
Task = Annotated[
    str,
    typer.Option(
        help="'classification' of images or 'segmentation' of volumes.", rich_help_panel=PROTOCOL
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_REPEATS,
        help="Trainings of every method on every split.",
        rich_help_panel=PROTOCOL,
        show_default=f"{PLANNED}; of volumes {_VOLUME_PROTOCOL.n_seeds}",
    ),
]
Splits = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_REPEATS,
        help="Repeated patient-grouped hold-outs.",
        rich_help_panel=PROTOCOL,
        show_default=PLANNED,
    ),
]
Rare = Annotated[
    str | None,
    typer.Option(
        help="The positive class.",
        rich_help_panel=PROTOCOL,
        show_default="the smallest that does not sound healthy",
    ),
]
PrimaryMetric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="Metric that decides the verdict.",
        rich_help_panel=PROTOCOL,
        show_default=f"{_PROTOCOL.primary_metric}; of volumes {_VOLUME_PROTOCOL.primary_metric}",
    ),
]
DuplicatePolicy = Annotated[
    str,
    typer.Option(
        "--duplicates",
        help="Copies on both sides of a split: 'refuse' to run, 'merge' into one patient, "
        "or 'report' and go on.",
        rich_help_panel=PROTOCOL,
    ),
]
OwnSplit = Annotated[
    bool,
    typer.Option(
        "--own-split/--new-splits",
        help="Keep the test set that the source came with.",
        rich_help_panel=PROTOCOL,
    ),
]
ProtocolName = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="Protocol of a STUDY.py that has several, for example 'clean' or 'literal'.",
        rich_help_panel=PROTOCOL,
        show_default="the first",
    ),
]
Note = Annotated[
    list[str] | None,
    typer.Option(
        help="What a reader must know about these images; shown first among the report's "
        "warnings. May be repeated.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the run.", rich_help_panel=OUTPUT, show_default="runs/NAME"),
]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """All options of `run`."""

    images: Images
    task: Task = CLASSIFICATION
    time: Time = None
    size: reading.Size = None
    fit: reading.Fit = _READING.fit
    channels: reading.Channels = _READING.channels
    groups: reading.Groups = None
    table: reading.Table = None
    label_column: reading.LabelColumn = None
    path_column: reading.PathColumn = None
    group_column: reading.GroupColumn = None
    split_column: reading.SplitColumn = None
    ignore: reading.Ignore = None
    follow_links: reading.FollowLinks = _READING.follow_links
    on_error: reading.OnError = _READING.on_error
    methods: Methods = None
    seeds: Seeds = None
    splits: Splits = None
    rare: Rare = None
    metric: PrimaryMetric = None
    duplicates: DuplicatePolicy = _PROTOCOL.duplicates
    own_split: OwnSplit = _PROTOCOL.use_source_split
    regime: Regime = None
    network: Network = None
    pretrained: Pretrained = None
    steps: Steps = None
    gan_steps: GanSteps = _BUDGET.gan_steps
    gan_size: GanSize = None
    augmentation: Augmentation = _BUDGET.augmentation
    views: Views = _BUDGET.views
    head: Head = _BUDGET.head
    checkpoint: Checkpoint = _BUDGET.checkpoint
    folds: volume.Folds = None
    labels: volume.LabelNames = None
    modalities: volume.Modalities = None
    n4: volume.N4 = _VOLUME_READING.n4
    patch_size: volume.PatchSize = _VOLUME_BUDGET.patch_size
    patch_batch: volume.PatchBatch = _VOLUME_BUDGET.batch_size
    epoch_steps: volume.EpochSteps = _VOLUME_BUDGET.epoch_steps
    width: volume.Width = _VOLUME_BUDGET.width
    precision: PrecisionName = None
    device: Device = _BUDGET.device
    workers: Workers = None
    executor: Executor = PROCESSES
    ray_address: RayAddress = None
    max_memory: MaxMemory = None
    protocol_name: ProtocolName = None
    note: Note = None
    names: Names = False
    out: Out = None
    config: Config = None

    @property
    def ray(self) -> str | None:
        """Address of Ray's cluster, "local" for this machine; None where it is not used."""
        return ray_address(self.executor, self.ray_address)

    @property
    def run_folder(self) -> Path:
        """Folder of the run: --out, or one in runs/ named after the images."""
        return self.out or Path("runs") / folder_name(self.images)

    def read_options(
        self, progress: Progress | None = None, *, size: int | None = None
    ) -> ReadOptions:
        """Return how images are read, at `size` or else as --size says."""
        return ReadOptions(
            size=size or self.size,
            fit=self.fit,
            channels=self.channels,
            groups=self.groups,
            table=self.table,
            label_column=self.label_column,
            path_column=self.path_column,
            group_column=self.group_column,
            split_column=self.split_column,
            ignore=tuple(self.ignore or ()),
            follow_links=self.follow_links,
            on_error=self.on_error,
            progress=progress,
        )

    def volume_options(self, progress: Progress | None = None) -> VolumeOptions:
        """Return how volumes are read."""
        return VolumeOptions(
            labels=self.labels,
            modalities=comma_list(self.modalities) or None,
            n4=self.n4,
            groups=self.groups,
            table=self.table,
            ignore=tuple(self.ignore or ()),
            follow_links=self.follow_links,
            on_error=self.on_error,
            progress=progress,
        )


def command_of(function: Callable[[Options], None], record: type[Options]) -> Callable[..., None]:
    """Return a command for Typer whose options are the fields of a record.

    Args:
        function: What the command does with the record; its docstring is the help.
        record: A dataclass whose fields are annotated with `typer.Option` or `typer.Argument`.
    """

    def command(**values: Any) -> None:
        function(record(**values))

    command.__name__ = function.__name__
    command.__doc__ = function.__doc__
    command.__signature__ = inspect.signature(record)  # type: ignore[attr-defined]
    return command


def pick_task(task: str) -> str:
    """Return the name of a task if there is such a task.

    Raises:
        SettingError: No such task.
    """
    tasks = (CLASSIFICATION, SEGMENTATION)
    if task not in tasks:
        raise SettingError(unknown(task, tasks, "task"))
    return task


def comma_list(text: str | None) -> tuple[str, ...]:
    """Return the names in a list with commas, for example "FLAIR, T1c"."""
    names = [name.strip() for name in (text or "").split(",")]
    return tuple(name for name in names if name)


def folder_name(images: str) -> str:
    """Return a folder name for a run on images: My-Films for /data/My Films/."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(images).resolve().stem).strip("-.") or "run"

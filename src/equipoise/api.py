"""`eq.read`, `eq.plan` and `eq.run`: what `equipoise run` does and says, from Python."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal, overload

from equipoise.cli.bars import reading_bar
from equipoise.cli.execution import execute, stopping_is_explained
from equipoise.cli.options import (
    CLASSIFICATION,
    SEGMENTATION,
    comma_list,
    folder_name,
    pick_task,
)
from equipoise.cli.places import check_out
from equipoise.cli.planning import PlannedImages, planned_study, stored_plan
from equipoise.cli.run import CHECKED_SIZE
from equipoise.data import reading
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.data.volumes.options import LoadedVolumes, VolumeOptions
from equipoise.discovery import unknown
from equipoise.exceptions import SettingError
from equipoise.experiments.image_plan import check_plan, plan_study
from equipoise.experiments.methods.catalogue import named
from equipoise.experiments.protocol import (
    Budget,
    Protocol,
    VolumeBudget,
    VolumeProtocol,
    budget_of,
)
from equipoise.experiments.running.executors import default_executor
from equipoise.experiments.running.protocols import Executor
from equipoise.experiments.study import Study
from equipoise.experiments.volume_plan import plan_volume_study
from equipoise.runs.run import Run, open_run
from equipoise.runs.stage_seconds import StageClock
from equipoise.time_plan.duration import parse_duration
from equipoise.time_plan.plan import FixedChoices
from equipoise.time_plan.request import PlanRequest

NAMELESS = "study"
RUNS = Path("runs")


@overload
def read(
    path: Path | str, *, task: Literal["classification"] = "classification", **options: Any
) -> Loaded: ...
@overload
def read(path: Path | str, *, task: Literal["segmentation"], **options: Any) -> LoadedVolumes: ...
def read(path: Path | str, *, task: str = CLASSIFICATION, **options: Any) -> Loaded | LoadedVolumes:
    r"""Read labeled images, or cases of volumes with label maps.

    Args:
        path: What `equipoise run` is given: a folder of class folders, a CSV table, an .npz file in
            MedMNIST layout; with "segmentation" a folder of case folders or a CSV table of cases.
        task: "classification" or "segmentation".
        options: Fields of `ReadOptions`, of volumes of `VolumeOptions`.

    Raises:
        DataError: There is nothing at `path`, or it is not as expected.
        SettingError: An option is unknown or out of range.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from PIL import Image
        >>> import equipoise as eq
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for file in ("cyst/p1-a.png", "cyst/p1-b.png", "mass/p2.png", "mass/p3.png"):
        ...         Path(folder, file).parent.mkdir(exist_ok=True)
        ...         Image.new("L", (40, 30)).save(Path(folder, file))
        ...     films = eq.read(folder, size=32, groups=r"p\d+", cache="off")
        >>> films.dataset.images.shape, sorted(set(films.dataset.groups.tolist()))
        ((4, 1, 32, 32), [0, 1, 2])
    """
    if pick_task(task) == SEGMENTATION:
        (of_volumes,) = by_record(options, VolumeOptions)
        with reading_bar("Preparing cases") as progress:
            return reading.read_volumes(path, VolumeOptions(**{"progress": progress, **of_volumes}))
    (of_images,) = by_record(options, ReadOptions)
    with reading_bar() as progress:
        return reading.read(path, ReadOptions(**{"progress": progress, **of_images}))


def plan(
    images: Loaded | LoadedVolumes | ImageDataset | Path | str,
    *,
    name: str | None = None,
    time: str | None = None,
    out: Path | str | None = None,
    executor: Executor | None = None,
    **choices: Any,
) -> Study:
    """Plan a comparison of methods on the same splits; `run` trains it.

    Args:
        images: What `read` returned, or an `ImageDataset`; or a path of images that it reads, whose
            reading options are among the choices then.
        name: Title of the report; where None, that of the folder of the run or the path.
        time: Such as "10m", "2h", "1h30m": regime, network, size, methods, splits and seeds are
            chosen for it, as far as `choices` leaves them open. The machine is measured, and the
            first cells are trained into `out`. Images only.
        out: Folder of the run, with `time`; runs/NAME where None.
        executor: Where `run` will train the cells, with `time`, as there.
        choices: Fields of `Protocol` and `Budget`, of volumes of `VolumeProtocol` and
            `VolumeBudget`. `methods` may be one text with commas, as on the command line.

    Raises:
        DataError: The images cannot be read or split, or a class is too small.
        LeakageError: Patients or duplicates cross into the test images.
        SettingError: A choice is unknown or out of range, or the time is too short.
        WeightsError: Pretrained weights are not here and cannot be downloaded.

    Example:
        >>> import equipoise as eq
        >>> films = eq.Loaded(dataset=eq.data.cells((30, 12), size=32))
        >>> study = eq.plan(films, methods=("none", "oversampling"), n_splits=2, n_steps=10)
        >>> len(list(study.cells()))  # 2 methods x 2 splits x 3 seeds
        12
    """
    if isinstance(images, ImageDataset):
        images = Loaded(dataset=images)
    check_plannable(images, choices, time=time, only_with_time={"out": out, "executor": executor})
    if isinstance(images, LoadedVolumes):
        if isinstance(choices.get("methods"), str):
            choices["methods"] = comma_list(choices["methods"])
        for_protocol, for_budget = by_record(choices, VolumeProtocol, VolumeBudget)
        return plan_volume_study(
            images,
            VolumeProtocol(**for_protocol),
            VolumeBudget(**for_budget),
            name=name or NAMELESS,
        )
    records = (Protocol, Budget) if isinstance(images, Loaded) else (Protocol, Budget, ReadOptions)
    for_protocol, for_budget, *rest = by_record(choices, *records)
    for_reading = rest[0] if rest else {}
    budget = budget_of(**for_budget)
    if isinstance(for_protocol.get("methods"), str):
        for_protocol["methods"] = named(for_protocol["methods"], budget)
    protocol, options = Protocol(**for_protocol), ReadOptions(**for_reading)
    if name is None:
        name = NAMELESS if isinstance(images, Loaded) else folder_name(str(images))
    check_plan(protocol, budget, size=options.size or CHECKED_SIZE)
    if time is None:
        loaded = images if isinstance(images, Loaded) else read(images, **for_reading)
        return plan_study(loaded, protocol, budget, name=name)
    folder = Path(out) if out else RUNS / name
    fixed = fixed_choices({**choices, **for_protocol}, images)
    planned = PlannedImages(images=images, options=options, name=folder.name)
    return plan_by_time(
        planned, time, folder, protocol=protocol, budget=budget, fixed=fixed, executor=executor
    )


def check_plannable(
    images: object, choices: Mapping[str, Any], *, time: str | None, only_with_time: dict[str, Any]
) -> None:
    """Check what `plan` is given, and that nothing of it would be ignored.

    Raises:
        SettingError: Neither images, volumes nor a path; or arguments that mean nothing here.
    """
    if not isinstance(images, Loaded | LoadedVolumes | Path | str):
        raise SettingError(
            f"Expected what eq.read returned, or a path, got {type(images).__name__}."
        )
    if "task" in choices:
        raise SettingError(
            "Expected no task: volumes are read first, eq.plan(eq.read(path, "
            "task='segmentation'), ...), and a path is of images."
        )
    unused = [name for name, value in only_with_time.items() if value is not None]
    if time is None and unused:
        raise SettingError(
            f"Expected no {' and '.join(unused)} without time. Give it to eq.run(study, ...)."
        )
    if time is not None and isinstance(images, LoadedVolumes):
        raise SettingError(
            "Expected no time with volumes: only studies of images are planned by time. Leave "
            "it out, and choose n_folds, n_seeds and n_steps."
        )
    of_reading = {field.name for field in fields(ReadOptions)} & set(choices)
    if isinstance(images, Loaded) and of_reading:
        raise SettingError(
            f"Expected no {', '.join(sorted(of_reading))} with images that have been read. Choose "
            "that in eq.read."
        )


def plan_by_time(
    images: PlannedImages,
    time: str,
    folder: Path,
    *,
    protocol: Protocol,
    budget: Budget,
    fixed: FixedChoices,
    executor: Executor | None,
) -> Study:
    """Plan a study for a time, or continue its plan; see `plan`."""
    check_out(folder, None if isinstance(images.images, Loaded) else images.images)
    seconds, clock = parse_duration(time), StageClock()
    stored = stored_plan(folder, fixed, seconds)
    request = PlanRequest(seconds=seconds, fixed=fixed, protocol=protocol, budget=budget)
    executor = executor or default_executor(budget.device)
    with stopping_is_explained():
        study = planned_study(images, request, folder, clock, stored, executor=executor)
    clock.store(folder)
    return study


def fixed_choices(choices: Mapping[str, Any], images: Loaded | Path | str) -> FixedChoices:
    """Return what a plan by time is not to choose; images that were read have a size."""
    names = {field.name for field in fields(FixedChoices)}
    fixed = {name: value for name, value in choices.items() if name in names}
    if "methods" in fixed:
        fixed["methods"] = tuple(fixed["methods"])
    if isinstance(images, Loaded):
        fixed["size"] = min(images.dataset.images.shape[2:])
    return FixedChoices(**fixed)


def run(
    study: Study,
    out: Path | str | None = None,
    *,
    executor: Executor | None = None,
    names: bool = False,
) -> Run:
    """Train the cells of a study, gather evidence, and write tables and `report.html`.

    After an interruption, the same call continues. Progress and results are printed.

    Args:
        study: What `plan` returned, or one built by hand.
        out: Folder of the run; runs/NAME where None.
        executor: Where cells are trained: `Processes`, `InProcess` or `RayExecutor`; one worker
            for each core or GPU where None.
        names: Whether the report shows names of files and patients.

    Raises:
        StaleRunError: The folder contains results that were made with other settings.
        SettingError: The folder cannot be written, or a method does not fit into memory.

    Example:
        >>> import contextlib, io, tempfile
        >>> import equipoise as eq
        >>> films = eq.Loaded(dataset=eq.data.cells((40, 16), size=32))
        >>> methods = ("none", "oversampling")
        >>> study = eq.plan(films, methods=methods, n_splits=1, n_seeds=1, n_steps=2)
        >>> with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        ...     finished = eq.run(study, folder, executor=eq.InProcess())
        ...     results = eq.summarize_run(finished)
        >>> [method.method for method in results.methods]
        ['none', 'oversampling']
    """
    if not isinstance(study, Study):
        raise SettingError(
            f"Expected a study, which eq.plan returns, got {type(study).__name__}: "
            "eq.run(eq.plan(images, ...), folder)."
        )
    if study.name == NAMELESS and out:
        study = replace(study, name=Path(out).resolve().name)
    folder = Path(out) if out else RUNS / study.name
    check_out(folder)
    classifier = next(iter(study.methods.values())).steps[-1][1]
    device = classifier.device
    with stopping_is_explained():
        execute(study, folder, executor or default_executor(device), device=device, names=names)
    return open_run(folder)


def by_record(choices: Mapping[str, Any], *records: type) -> list[dict[str, Any]]:
    """Divide choices among the records of which they are fields.

    Raises:
        SettingError: One is a field of none of them; names the closest.
    """
    fields_of = [{field.name for field in fields(record)} for record in records]
    available = set().union(*fields_of)
    for name in choices:
        if name not in available:
            raise SettingError(unknown(name, available, "argument"))
    divided = []
    for names in fields_of:
        divided.append({name: value for name, value in choices.items() if name in names})
    return divided

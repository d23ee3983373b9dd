"""`run` and `demo` with --task segmentation: volumes in the place of images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from equipoise.cli.execution import execute

TASKS = ("classification", "segmentation")
DEFAULT_METHODS = "random,balanced,hard_example,balanced_corrected"


def demo_volumes(out: Path, *, workers: int | None) -> None:
    """Compare four ways of drawing patches on drawn brains."""
    from equipoise.experiments.demo import demo_volume_study

    execute(demo_volume_study(out), out, workers=workers, device="auto")


def run_volumes(
    source: str, out: Path, *, command: str, reading: dict[str, Any], protocol: dict[str, Any],
    budget: dict[str, Any], notes: list[str], workers: int | None,
) -> None:  # fmt: skip
    """Compare methods on volumes and write the report.

    Args:
        source: Folder of case folders, or a table.
        out: Folder of the run.
        command: As the user typed it.
        reading: Fields of `VolumeOptions`.
        protocol: Fields of `VolumeProtocol`.
        budget: Fields of `VolumeBudget`.
        notes: What a reader must know about these volumes.
        workers: Processes.
    """
    from equipoise.cli.console import reading_bar
    from equipoise.data.reading import read_volumes
    from equipoise.data.volumes.options import VolumeOptions
    from equipoise.experiments.protocol import VolumeBudget, VolumeProtocol
    from equipoise.experiments.volume_plan import check_volume_plan, plan_volume_study

    asked, spent = VolumeProtocol(**protocol), VolumeBudget(**budget)
    check_volume_plan(asked, spent)
    with reading_bar("Preparing cases") as progress:
        loaded = read_volumes(source, VolumeOptions(**reading, progress=progress))
    loaded = replace(loaded, notes=(*notes, *loaded.notes))
    study = plan_volume_study(loaded, asked, spent, name=out.name, facts={"command": command})
    execute(study, out, workers=workers, device=spent.device)

"""What the stored command of a run says about how its images were read, and reading them so again."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from equipoise.exceptions import DataError

if TYPE_CHECKING:
    from equipoise.data.dataset import ImageDataset
    from equipoise.data.images.options import ReadOptions

DEMO = ["equipoise", "demo"]
RUN = ["equipoise", "run"]


def read_again(
    source: str | None, asked: Mapping[str, Any], progress: Callable[[int, int], None]
) -> "ImageDataset | None":
    """Read the images of a run as its command read them; those of the demo are drawn again.

    Args:
        source: Where they are now, a STUDY.py that reads them too; a place that only `study.json` names is never
            read, because the folder of a run may come from elsewhere.
        asked: `study.json`.
        progress: Called with (files done, files in all).

    Returns:
        The images, not yet compared with the run; None without a source.

    Raises:
        DataError: The command cannot be understood, or see `equipoise.data.reading.read`.
    """
    if source is None:
        return _demo() if _words(asked)[:2] == DEMO else None
    if source.endswith(".py"):
        return _of_study(source, asked)
    from equipoise.data.duplicates import find_duplicates, merge_groups
    from equipoise.data.reading import read

    parameters = parameters_of(asked)
    dataset = read(source, options_of(parameters, progress)).dataset
    return (
        merge_groups(dataset, find_duplicates(dataset))
        if parameters["duplicates"] == "merge"
        else dataset
    )


def options_of(
    parameters: Mapping[str, Any], progress: Callable[[int, int], None] | None
) -> "ReadOptions":
    """Give the options of reading among the parameters of a command."""
    from equipoise.data.images.options import ReadOptions

    given = {
        field.name: parameters[field.name]
        for field in fields(ReadOptions)
        if field.name in parameters
    }
    return ReadOptions(**given, progress=progress)


def parameters_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Give every parameter of the `equipoise run` that made a run, also those left at their defaults.

    Raises:
        DataError: The run was not made by such a command, or this version does not understand it.
    """
    from equipoise.cli.app import app

    words = _words(asked)
    if words[:2] != RUN:
        raise DataError(_unclear(asked, "it does not begin with 'equipoise run'"))
    command = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]  # a group has commands
    try:
        return dict(command.make_context("run", words[2:]).params)
    except Exception as error:  # typer does not show the names of its parser's errors
        raise DataError(_unclear(asked, str(error))) from error


def _words(asked: Mapping[str, Any]) -> list[str]:
    try:
        return shlex.split(asked["facts"].get("command", ""))
    except ValueError as error:
        raise DataError(_unclear(asked, str(error))) from error


def _unclear(asked: Mapping[str, Any], why: str) -> str:
    command = asked["facts"].get("command", "")
    return (
        f"Cannot tell how the images of run '{asked['name']}' were read. study.json names this command: "
        f"{command!r} ({why}). If a study file made it, give that file."
    )


def _demo() -> "ImageDataset":
    from equipoise.experiments.demo import demo_study

    return demo_study().images


def _of_study(source: str, asked: Mapping[str, Any]) -> "ImageDataset":
    from equipoise.cli.execution import load_study

    protocol = parameters_of(asked)["protocol_name"] if _words(asked)[:2] == RUN else None
    dataset: ImageDataset = load_study(Path(source), protocol).images
    return dataset

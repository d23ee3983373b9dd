"""Refuse options that a run would ignore: most belong to images, volumes or study files alone."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, get_type_hints

from equipoise.cli.options import SEGMENTATION, RunOptions, comma_list
from equipoise.discovery import pick
from equipoise.exceptions import SettingError

if TYPE_CHECKING:
    from equipoise.experiments.study import Study

RUNNING = {
    "config",
    "images",
    "device",
    "workers",
    "executor",
    "ray_address",
    "max_memory",
    "names",
    "out",
}
OF_STUDY_FILES = RUNNING | {"methods", "protocol_name"}
OF_VOLUMES_ALONE = {
    "folds",
    "labels",
    "modalities",
    "n4",
    "patch_size",
    "patch_batch",
    "epoch_steps",
    "width",
}
OF_BOTH = {"task", "methods", "seeds", "metric", "steps", "precision", "note"}
OF_BOTH |= {"groups", "table", "ignore", "follow_links", "on_error"}
OF_VOLUMES = RUNNING | OF_BOTH | OF_VOLUMES_ALONE
ALL = {field.name for field in fields(RunOptions)}
OF_IMAGES = ALL - OF_VOLUMES_ALONE - {"protocol_name"}


def check_applicable(options: RunOptions) -> None:
    """Check that each option that was typed means something for what is run.

    Raises:
        SettingError: Names all that would be ignored.
    """
    if options.images.endswith(".py"):
        names = ", ".join(typed_without(options, OF_STUDY_FILES))
        remedy = (
            "A study file says itself how its images are read and its methods trained. Leave that "
            "out, or change the file; --methods trains some of its methods."
        )
    elif options.task == SEGMENTATION:
        names = ", ".join(typed_without(options, OF_VOLUMES))
        remedy = (
            "With --task segmentation it means nothing: it is of studies of images, or of study "
            "files. Leave it out; --folds, --seeds and --steps say how much is trained."
        )
    else:
        names = ", ".join(typed_without(options, OF_IMAGES))
        remedy = (
            "That is of --task segmentation, or of study files (--protocol). Leave it out, or add "
            "--task segmentation."
        )
    if names:
        raise SettingError(f"Expected no {names}, which would be ignored. {remedy}")


def typed_without(options: RunOptions, applicable: set[str]) -> Iterator[str]:
    """Yield the options, as they are typed, that differ from their defaults and do not apply."""
    hints = get_type_hints(RunOptions, include_extras=True)
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name in applicable or value == field.default:
            continue
        (option,) = hints[field.name].__metadata__
        # Typer keeps an own name where other annotations have the default
        own_name = option.default if isinstance(option.default, str) else None
        names = (own_name or f"--{field.name.replace('_', '-')}").split("/")
        yield names[-1] if value is False else names[0]


def with_methods(study: "Study", methods: str | None) -> "Study":
    """Return a study of some of its methods, named with commas between them; all where None.

    Raises:
        SettingError: It has no such method, or its baseline is not among them.
    """
    if methods is None:
        return study
    names = comma_list(methods)
    selected = {name: pick(study.methods, name, "method") for name in names}
    if study.baseline_name not in selected:
        raise SettingError(
            f"Expected {study.baseline_name} among --methods: the others are compared with it. "
            f"Add it: --methods {','.join((study.baseline_name, *names))}."
        )
    limits = {name: n for name, n in study.split_limits.items() if name in selected}
    return replace(study, methods=selected, split_limits=limits)

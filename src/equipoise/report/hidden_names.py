"""What a report that is handed over leaves out: names of files, folders and patients."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from equipoise.atomic import JsonValue
from equipoise.names import HIDDEN, without_names
from equipoise.runs.description import MethodDescription, StudyDescription
from equipoise.runs.stored_splits import read_split_ids

SHORTEST_ID = 3  # characters; a shorter id may be any number or word
SHORTEST_NUMBER = 5  # digits


def description_without_names(
    description: StudyDescription, ids: Collection[str]
) -> StudyDescription:
    """Return what was requested, without names in notes, settings and the command."""
    facts: dict[str, JsonValue] = {**description.facts}
    if description.notes:
        facts["notes"] = [without_names(note, ids) for note in description.notes]
    command = description.command
    if command is not None and not command.startswith("equipoise demo"):
        # Runs of earlier versions stored no command without names.
        facts["command"] = facts.get("shared_command", f"equipoise run {HIDDEN}")
    methods = tuple(map(method_without_names, description.methods))
    return replace(description, facts=facts, methods=methods)


def method_without_names(method: MethodDescription) -> MethodDescription:
    """Return a method whose settings name no local file."""
    steps = []
    for step in method.steps:
        steps.append(replace(step, settings=_settings_without_names(step.settings)))
    return replace(method, steps=tuple(steps))


def recognizable_ids(folder: Path, class_names: Sequence[str]) -> frozenset[str]:
    """Return the ids of a run's images or cases, and their parts that name a file or patient.

    A part of plain letters that are all lowercase, such as a folder "images", is a word.

    Raises:
        DamagedFileError: The splits are damaged or missing, so that names could not be hidden.
    """
    ids: set[str] = set()
    for split in read_split_ids(folder):
        ids.update(split.train, split.validation, split.test)
    parts: set[str] = set()
    for name in ids:  # a million of them in seconds, so without a Path of each
        *folders, file = name.rstrip("/").split("/")
        stem, _, suffix = file.rpartition(".")
        parts.update(folders, (file, stem if stem and suffix else file))
    names = ids | {part for part in parts if not re.fullmatch("[a-z]+", part)}
    recognizable = set()
    for name in names - set(class_names):
        if len(name) >= (SHORTEST_NUMBER if name.isdecimal() else SHORTEST_ID):
            recognizable.add(name)
    return frozenset(recognizable)


def _settings_without_names(value: Any) -> Any:
    """Return settings whose texts name no file, at any depth."""
    if isinstance(value, str):
        return without_names(value)
    if isinstance(value, list):
        return [_settings_without_names(item) for item in value]
    if isinstance(value, dict):
        return {name: _settings_without_names(item) for name, item in value.items()}
    return value

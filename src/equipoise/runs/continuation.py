"""Check whether a study can continue a stored run, and merge their descriptions."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from equipoise.atomic import JsonValue
from equipoise.exceptions import StaleRunError
from equipoise.names import first_lines
from equipoise.runs.description import MethodDescription, SplitDescription, StudyDescription

MOST_LINES = 12  # of differences in a message

PRECISION = re.compile(r", (?:\w+, )*precision: stored '([\w-]+)'")

Named = TypeVar("Named", MethodDescription, SplitDescription)


def merge_descriptions(
    stored: StudyDescription, requested: StudyDescription, folder: Path
) -> StudyDescription:
    """Merge the descriptions of a stored run and a study, which may add methods, splits and seeds.

    Library versions have to be the same: another version rounds differently, so methods trained
    under different ones would not be compared fairly.

    Raises:
        StaleRunError: The images, a setting of a stored method, a stored split or a library
            differs.
    """
    # The fingerprint covers the images; runs of earlier versions store fewer hashes of them.
    datasets = []
    for description in (stored, requested):
        fields = description.dataset.to_json()
        datasets.append({name: fields[name] for name in fields if name != "images"})
    conflicts = [
        *differences(*datasets, at="dataset"),
        *differences(dict(stored.versions), dict(requested.versions), at="versions"),
        *_changed("method", stored.methods, requested.methods),
        *_changed("split", stored.splits, requested.splits),
    ]
    if conflicts:
        raise StaleRunError(
            f"The run in {folder} was made with other settings than those requested now:\n"
            + first_lines(conflicts, MOST_LINES)
            + f"\nName another folder with --out, or delete {folder}."
            + precision_advice(conflicts)
        )
    return replace(
        requested,
        methods=_joined(stored.methods, requested.methods),
        splits=_joined(stored.splits, requested.splits),
        seeds=tuple(sorted({*stored.seeds, *requested.seeds})),
        split_limits=_joined_limits(stored, requested),
    )


def precision_advice(conflicts: Sequence[str]) -> str:
    """Return how a run continues from which a study differs in precision alone; "" elsewhere.

    >>> precision_advice(["method none, classify, precision: stored '32-true', requested 'x'"])
    ' Or continue it with precision 32-true (--precision 32-true), as it was begun.'
    """
    matches = [PRECISION.search(line) for line in conflicts]
    precisions = {match.group(1) for match in matches if match}
    if None in matches or len(precisions) != 1:
        return ""
    (stored,) = precisions
    return f" Or continue it with precision {stored} (--precision {stored}), as it was begun."


def differences(stored: JsonValue, requested: JsonValue, *, at: str = "") -> Iterator[str]:
    """Describe where two JSON values differ, one line for each place.

    >>> list(differences({"n": 1, "rate": 0.1}, {"n": 2, "rate": 0.1}, at="classify"))
    ['classify, n: stored 1, requested 2']
    """
    if isinstance(stored, dict) and isinstance(requested, dict):
        for key in sorted(stored.keys() | requested.keys()):
            place = f"{at}, {key}" if at else key
            yield from differences(stored.get(key), requested.get(key), at=place)
    elif isinstance(stored, list) and isinstance(requested, list) and len(stored) == len(requested):
        for i, (a, b) in enumerate(zip(stored, requested, strict=True)):
            name = a.get("name", i) if isinstance(a, dict) else i
            yield from differences(a, b, at=f"{at}, {name}")
    elif stored != requested:
        yield f"{at}: stored {stored!r}, requested {requested!r}"


def _changed(kind: str, stored: Sequence[Named], requested: Sequence[Named]) -> Iterator[str]:
    """Describe what differs in the methods or splits that both descriptions contain."""
    requested_by_name = {item.name: item for item in requested}
    for item in stored:
        other = requested_by_name.get(item.name, item)
        yield from differences(item.to_json(), other.to_json(), at=f"{kind} {item.name}")


def _joined(stored: tuple[Named, ...], requested: tuple[Named, ...]) -> tuple[Named, ...]:
    """Append the methods or splits that the stored run does not contain yet."""
    names = {item.name for item in stored}
    return stored + tuple(item for item in requested if item.name not in names)


def _joined_limits(stored: StudyDescription, requested: StudyDescription) -> dict[str, int]:
    """Return the larger limit of each method; none where either has it on all splits."""
    limits = {}
    for name in dict.fromkeys([*stored.split_limits, *requested.split_limits]):
        both = [
            description.split_limits.get(name)
            for description in (stored, requested)
            if name in description.method_names
        ]
        if None not in both:
            limits[name] = max(limit for limit in both if limit is not None)
    return limits

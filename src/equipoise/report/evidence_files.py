"""Reading the evidence files of a run: JSON becomes records here, and .npz files named arrays."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from equipoise import atomic
from equipoise.atomic import JsonObject, read_json
from equipoise.evidence.gathering import stored

Record = TypeVar("Record")
Arrays = dict[str, NDArray[Any]]


def read_evidence(folder: Path, kind: str, file: str) -> Any:
    """Read a JSON file of evidence; None where this evidence was not gathered."""
    path = stored(folder, kind, file)
    return None if path is None else read_json(path)


def read_arrays(folder: Path, kind: str, file: str) -> Arrays | None:
    """Read an .npz file of evidence; None where this evidence was not gathered."""
    path = stored(folder, kind, file)
    return None if path is None else atomic.read_arrays(path)


def record_of(kind: type[Record], row: JsonObject) -> Record:
    """Build a dataclass from a JSON object; keys that are not fields are ignored."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in row.items() if name in names})


def records_of(kind: type[Record], rows: Iterable[JsonObject]) -> list[Record]:
    """Build a dataclass from each JSON object."""
    return [record_of(kind, row) for row in rows]

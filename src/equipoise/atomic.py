"""Write files and folders atomically: a reader sees all or nothing, whatever interrupts."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from equipoise.exceptions import SettingError

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = Mapping[str, JsonValue]
JsonFields: TypeAlias = Mapping[
    str, Any
]  # a JSON object whose fields the reader knows or passes on


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that is renamed to `path` if the block succeeds."""
    make_folder(path.parent)
    temporary = _beside(path)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that replaces `path` if the block succeeds."""
    make_folder(path.parent)
    temporary = _beside(path)
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _flush(file)
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write readable, reproducible JSON: sorted keys, indented, one final newline."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def make_folder(path: Path) -> None:
    """Create a folder and its parents.

    Raises:
        SettingError: The folder cannot be created or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f"Cannot create the folder {path}: {error.strerror}. Choose another one."
        ) from error
    if not os.access(path, os.W_OK):
        raise SettingError(
            f"Cannot write into the folder {path}. Choose another one, or change its permissions."
        )


def _beside(path: Path) -> Path:
    """Return a temporary path; created by `open` or `mkdir`, it gets the usual permissions."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

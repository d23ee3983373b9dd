"""Write files and folders atomically: a reader sees all or nothing, whatever interrupts.

What is written is readable by its user alone (folders 0700, files 0600, whatever the umask),
because a run contains patient data. Only what is `shared` follows the umask.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from equipoise.exceptions import SettingError

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = Mapping[str, JsonValue]
JsonFields: TypeAlias = Mapping[
    str, Any
]  # a JSON object whose fields the reader knows or passes on


PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600  # modes


@contextmanager
def atomic_file(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Yield an empty temporary file beside `path`, renamed to `path` if the block succeeds.

    Args:
        path: The file.
        shared: Whether other users may read it as far as the umask allows.
    """
    make_folder(path.parent, shared=shared)
    temporary = _beside(path)
    try:
        temporary.touch(exist_ok=False, mode=0o666 if shared else PRIVATE_FILE)
        mode = temporary.stat().st_mode & 0o777
        yield temporary
        _set_mode(temporary, mode)  # some writers replace the file
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that replaces `path` if the block succeeds.

    Args:
        path: The folder.
        shared: Whether other users may read it as far as the umask allows.
    """
    make_folder(path.parent, shared=shared)
    temporary = _beside(path)
    temporary.mkdir(0o777 if shared else PRIVATE_FOLDER)
    try:
        mode = temporary.stat().st_mode & 0o777
        yield temporary
        for entry in temporary.rglob("*"):
            if entry.is_dir():
                _set_mode(entry, mode)
            else:
                _set_mode(entry, mode & 0o666)
                _flush(entry)
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


def make_folder(path: Path, *, shared: bool = False) -> None:
    """Create a folder and its parents; those that exist keep their mode.

    Args:
        path: The folder.
        shared: Whether other users may read it as far as the umask allows.

    Raises:
        SettingError: The folder cannot be created or written.
    """
    try:
        for folder in (*reversed(path.parents), path):
            if not folder.is_dir():
                folder.mkdir(0o777 if shared else PRIVATE_FOLDER, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f"Cannot create the folder {path}: {error.strerror}. Choose another one."
        ) from error
    if not os.access(path, os.W_OK):
        raise SettingError(
            f"Cannot write into the folder {path}. Choose another one, or change its permissions."
        )


def _beside(path: Path) -> Path:
    """Return a temporary path in the same folder."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _set_mode(path: Path, mode: int) -> None:
    """Set the mode of a file or folder, where the file system has modes."""
    if path.stat().st_mode & 0o777 != mode:
        with suppress(OSError):
            path.chmod(mode)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

"""Write files and folders atomically: a reader sees all or nothing, whatever interrupts.

What is written is readable by its user alone (folders 0700, files 0600, whatever the umask),
because a run contains patient data. Only what is `shared` follows the umask.

What a later step trusts carries a checksum (`equipoise.checksums`), which the readers here verify.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from equipoise.checksums import (
    check_file,
    damaged,
    forget_checksum,
    temporary_path,
    write_checksum,
    write_checksums,
)
from equipoise.exceptions import DamagedFileError, SettingError
from equipoise.shortages import is_out_of_files

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = Mapping[str, JsonValue]
JsonFields: TypeAlias = Mapping[
    str, Any
]  # a JSON object whose fields the reader knows or passes on


PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600  # modes


@contextmanager
def atomic_file(path: Path, *, shared: bool = False, checksum: bool = False) -> Iterator[Path]:
    """Yield an empty temporary file beside `path`, renamed to `path` if the block succeeds.

    Args:
        path: The file.
        shared: Whether other users may read it as far as the umask allows.
        checksum: Whether its checksum is written beside it.
    """
    make_folder(path.parent, shared=shared)
    if path.is_dir():
        raise SettingError(f"Expected a file at {path}, got a folder. Name another file.")
    temporary = temporary_path(path)
    try:
        temporary.touch(exist_ok=False, mode=0o666 if shared else PRIVATE_FILE)
        mode = temporary.stat().st_mode & 0o777
        yield temporary
        _set_mode(temporary, mode)  # some writers replace the file
        _flush(temporary)
        forget_checksum(path)  # a kill before the last line leaves a file without one
        temporary.replace(path)
        _flush_folder(path.parent)
        if checksum:
            write_checksum(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that replaces `path` if the block succeeds.

    Of two processes that write the same folder, the last one wins. Unless it is shared, the folder
    gets `checksums.json`.

    Args:
        path: The folder.
        shared: Whether other users may read it as far as the umask allows.
    """
    make_folder(path.parent, shared=shared)
    temporary = temporary_path(path)
    temporary.mkdir(0o777 if shared else PRIVATE_FOLDER)
    try:
        mode = temporary.stat().st_mode & 0o777
        yield temporary
        if not shared:
            write_checksums(temporary)
        for entry in temporary.rglob("*"):
            if entry.is_dir():
                _set_mode(entry, mode)
                _flush_folder(entry)
            else:
                _set_mode(entry, mode & 0o666)
                _flush(entry)
        _flush_folder(temporary)
        _replace_folder(temporary, path)
        _flush_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_file(path: Path) -> None:
    """Remove a file and its checksum, if they exist."""
    forget_checksum(path)
    path.unlink(missing_ok=True)


def write_json(path: Path, value: Any, *, checksum: bool = False) -> None:
    """Write readable, reproducible JSON: sorted keys, indented, one final newline.

    Args:
        path: The file.
        value: What it contains.
        checksum: Whether its checksum is written beside it.
    """
    with atomic_file(path, checksum=checksum) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: There is no file.
        DamagedFileError: It was changed since it was written, or is no JSON.
    """
    with reading(path):
        return json.loads(path.read_text(encoding="utf-8"))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of an npz file.

    Raises:
        FileNotFoundError: There is no file.
        DamagedFileError: It was changed since it was written, or is no npz file.
    """
    with reading(path), path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Verify the checksum of a file, and name the file where the block cannot understand it.

    Libraries raise anything where bytes are not as expected, so every exception counts as damage
    but those that say that the file could not be opened or the memory was short.

    Raises:
        DamagedFileError: The file was changed since it was written, or cannot be read.
    """
    check_file(path)
    try:
        yield
    except (DamagedFileError, FileNotFoundError, PermissionError, MemoryError):
        raise
    except KeyError as error:
        raise damaged(path, f"the key {error} is missing") from error
    except Exception as error:
        if is_out_of_files(error):
            raise
        raise damaged(path, str(error) or type(error).__name__) from error


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


def _set_mode(path: Path, mode: int) -> None:
    """Set the mode of a file or folder, where the file system has modes."""
    if path.stat().st_mode & 0o777 != mode:
        with suppress(OSError):
            path.chmod(mode)


def _replace_folder(temporary: Path, path: Path) -> None:
    """Rename a folder over another one, which another process may replace at the same time."""
    while True:
        try:
            temporary.replace(path)
        except OSError:
            if not path.exists():
                raise
            earlier = temporary_path(path)
            with suppress(FileNotFoundError):
                path.replace(earlier)
            shutil.rmtree(earlier, ignore_errors=True)
        else:
            return


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    """Make the names in a folder durable, where the system can open folders."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

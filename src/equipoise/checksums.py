"""Checksums of stored files: damage is noticed before a file is used.

A folder that is written at once contains `checksums.json`, with the SHA-256 of each of its files. A
file that is written alone has the SHA-256 of its bytes in a file beside it, whose name ends in
`.sha256`. What was written before there were checksums has neither, and is read as it is.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from equipoise.exceptions import DamagedFileError

FOLDER_FILE = "checksums.json"
SUFFIX = ".sha256"
DEPTH = 4  # folders from a file up to the checksums.json of its tree, at most
TEMPORARY = f".*.{8 * '[0-9a-f]'}"  # pattern of what `temporary_path` returns


class DamageReport:
    """Gathers the damage of several files, so that all of it is named at once.

    Example:
        >>> report = DamageReport()
        >>> for name in ("a", "b"):
        ...     with report.attempt():
        ...         raise DamagedFileError(f"{name} is damaged.")
        >>> report.messages
        ['a is damaged.', 'b is damaged.']
    """

    def __init__(self) -> None:
        self.messages: list[str] = []

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Keep the damage that the block meets for later."""
        try:
            yield
        except DamagedFileError as error:
            self.messages.append(str(error))

    def raise_all(self) -> None:
        """Raise what was gathered, if anything.

        Raises:
            DamagedFileError: At least one file was damaged.
        """
        if self.messages:
            raise DamagedFileError("\n".join(dict.fromkeys(self.messages)))


def write_checksums(folder: Path) -> None:
    """Write `checksums.json` over all files of a folder and its subfolders, which need none then.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     path = Path(name, "record.json")
        ...     _ = path.write_text("1")
        ...     write_checksums(Path(name))
        ...     check_file(path)
        ...     _ = path.write_text("2")
        ...     check_file(path)
        Traceback (most recent call last):
            ...
        equipoise.exceptions.DamagedFileError: Expected ...
    """
    sums: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.name == FOLDER_FILE:
            path.unlink()
        elif path.is_file():
            sums[path.relative_to(folder).as_posix()] = digest(path)
    text = json.dumps(sums, indent=2, sort_keys=True)
    (folder / FOLDER_FILE).write_text(text + "\n", encoding="utf-8")


def write_checksum(path: Path) -> None:
    """Write the checksum of a single file beside it, whole or not at all."""
    temporary = temporary_path(path)
    try:
        temporary.touch(mode=0o600)
        temporary.write_text(digest(path) + "\n", encoding="ascii")
        temporary.replace(_beside(path))
    finally:
        temporary.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """Return a path in the same folder under which a file or folder is written before it appears.

    Example:
        >>> temporary_path(Path("runs/table.csv")).match(TEMPORARY)
        True
    """
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def forget_checksum(path: Path) -> None:
    """Remove the checksum of a single file, before the file is replaced or removed."""
    _beside(path).unlink(missing_ok=True)


def check_file(path: Path) -> None:
    """Compare a file with its checksum, where it has one.

    Raises:
        DamagedFileError: The file was changed, or is missing although it has a checksum.
    """
    expected = _expected(path)
    while expected is not None:
        actual = digest(path) if path.is_file() else None
        if actual == expected:
            return
        earlier, expected = expected, _expected(path)
        if earlier == expected:  # otherwise it was replaced meanwhile
            reason = "it is missing" if actual is None else "its bytes are not those written"
            raise damaged(path, reason)


def check_folder(folder: Path) -> None:
    """Compare all files of a folder with its `checksums.json`, where it has one.

    Raises:
        DamagedFileError: A file was changed or is missing.
    """
    for name in listed_files(folder):
        check_file(folder / name)


def check_present(folder: Path) -> None:
    """Check that no file of a folder is missing, without reading them.

    Raises:
        DamagedFileError: A file is missing.
    """
    for name in listed_files(folder):
        if not (folder / name).is_file():
            raise damaged(folder / name, "it is missing")


def listed_files(folder: Path) -> list[str]:
    """Return the names in the `checksums.json` of a folder; none where it has none.

    Raises:
        DamagedFileError: It cannot be read.
    """
    path = folder / FOLDER_FILE
    return sorted(_read(path)) if path.is_file() else []


def damaged(path: Path, reason: str) -> DamagedFileError:
    """Return the error that names a damaged file, and what to delete."""
    folder = _tree(path)
    if folder is not None:
        what = f"the folder {folder}"
    elif _beside(path).is_file():
        what = f"{path} and {_beside(path).name}"
    else:
        what = str(path)
    return DamagedFileError(
        f"Expected {path} as it was written, got a damaged file: {reason}. "
        f"Delete {what} and run the study again."
    )


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _expected(path: Path) -> str | None:
    """Return the stored checksum of a file; None where its folder has none and it has none."""
    folder = _tree(path)
    if folder is not None:
        name = path.relative_to(folder).as_posix()
        sums = _read(folder / FOLDER_FILE)
        if name == FOLDER_FILE or not (name in sums or path.exists()):
            return None
        return sums.get(name, "a file that was not written with the others")
    beside = _beside(path)
    try:
        return beside.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None


def _tree(path: Path) -> Path | None:
    """Return the nearest folder above a file that contains `checksums.json`."""
    for folder in list(path.parents)[:DEPTH]:
        if (folder / FOLDER_FILE).is_file():
            return folder
    return None


def _read(path: Path) -> dict[str, str]:
    try:
        sums = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is no JSON ({error})") from error
    if not isinstance(sums, dict):
        raise damaged(path, "it is no list of checksums")
    for name in sums:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise damaged(path, f"it names a file elsewhere, {name}")
    return sums


def _beside(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)

"""Pack a folder into bytes and unpack it elsewhere: how cells travel between machines."""

import io
import zipfile
from pathlib import Path, PurePosixPath

from equipoise.exceptions import DamagedFileError


def pack(folder: Path, *, names: list[str] | None = None) -> bytes:
    """Return the files of a folder, its subfolders included, as one uncompressed archive.

    Equal files give equal bytes.

    Args:
        folder: The folder.
        names: Entries of the folder to pack; all where None.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if path.is_file() and (names is None or relative.parts[0] in names):
                archive.writestr(zipfile.ZipInfo(relative.as_posix()), path.read_bytes())
    return buffer.getvalue()


def unpack(package: bytes, folder: Path) -> None:
    """Write the files of a package into a folder.

    Raises:
        DamagedFileError: The package is damaged, or names a file outside the folder.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as here, TemporaryDirectory() as there:
        ...     _ = Path(here, "record.json").write_text("1")
        ...     unpack(pack(Path(here)), Path(there))
        ...     Path(there, "record.json").read_text()
        '1'
    """
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            for entry in archive.infolist():
                name = PurePosixPath(entry.filename)
                if name.is_absolute() or ".." in name.parts or "\\" in entry.filename:
                    raise DamagedFileError(
                        f"Expected files inside the package, got {entry.filename!r}."
                    )
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(entry))
    except zipfile.BadZipFile as error:
        raise DamagedFileError(
            f"Expected a package of files, got damaged bytes: {error}."
        ) from error

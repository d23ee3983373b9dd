"""Whether a volume file is whole: ITK reads many damaged ones without a word, and makes up what is missing."""

import gzip
import math
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from equipoise.exceptions import DataError

CHUNK = 1 << 20  # bytes
NIFTI_HEADER = 348  # bytes, which it states first
METAIMAGE_HEADER = 1 << 16  # bytes; real ones are far shorter


def check_whole(path: Path) -> None:
    """Read a .nii, .nii.gz or .mha file to its end.

    Raises:
        DataError: It is shorter than its header says, its compressed part is damaged, it is no NIfTI file, or it
            keeps its voxels in another file, which might lie anywhere.
    """
    try:
        if path.suffix.lower() == ".mha":
            _check_metaimage(path)
        else:
            _check_nifti(path)
    except DataError:
        raise
    except (OSError, EOFError, ValueError, OverflowError, zlib.error, struct.error) as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, reason: str) -> DataError:
    """Make the error of a file that cannot be read."""
    return DataError(f"Cannot read the volume {path}, is it damaged? ({reason}) Copy it again.")


def _check_nifti(path: Path) -> None:
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        header = file.read(NIFTI_HEADER)
        n_bytes = len(header) + _remaining(file)
    expected = _expected_bytes(header)
    if n_bytes < expected:
        raise EOFError(f"expected {expected} bytes, got {n_bytes}")


def _expected_bytes(header: bytes) -> int:
    """Give the length that a NIfTI header states: where voxels start, and how many there are of how many bits."""
    order = next((order for order in "<>" if struct.unpack_from(f"{order}i", header)[0] == NIFTI_HEADER), None)
    if order is None:
        raise EOFError("it has no NIfTI-1 header; NIfTI-2 files must be saved as NIfTI-1")
    sides = struct.unpack_from(f"{order}8h", header, 40)
    (bits,), (start,) = struct.unpack_from(f"{order}h", header, 72), struct.unpack_from(f"{order}f", header, 108)
    n_voxels: int = math.prod(sides[1 : 1 + sides[0]])
    return int(start) + n_voxels * int(bits) // 8


def _check_metaimage(path: Path) -> None:
    """Check what ITK does not; it does notice itself where plain voxels are missing."""
    with path.open("rb") as file:
        found = re.search(rb"ElementDataFile\s*=\s*([^\r\n]*)\r?\n", header := file.read(METAIMAGE_HEADER))
        if found is None:
            raise EOFError("it has no MetaImage header")
        if found[1].strip() != b"LOCAL":
            raise DataError(
                f"Expected the voxels inside {path}, its header names another file. Save it again as one .mha file."
            )
        if re.search(rb"CompressedData\s*=\s*True", header[: found.start()], re.IGNORECASE):
            file.seek(found.end())
            stream = zlib.decompressobj()
            while chunk := file.read(CHUNK):
                stream.decompress(chunk)
            if not stream.eof:
                raise EOFError("its compressed part ends too early")


def _remaining(file: BinaryIO | gzip.GzipFile) -> int:
    n_bytes = 0
    while chunk := file.read(CHUNK):
        n_bytes += len(chunk)
    return n_bytes

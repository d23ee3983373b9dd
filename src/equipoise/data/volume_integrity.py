"""Whether a volume file is whole: ITK reads many damaged ones without a word, and makes up what is missing."""

import gzip
import math
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from equipoise.exceptions import DataError

CHUNK = 1 << 20  # bytes
METAIMAGE_HEADER = 1 << 16  # bytes; real ones are far shorter


class Layout(NamedTuple):
    """Length in bytes of a NIfTI header, which it states first; type and place in it of what is needed here."""

    length: int
    sides: tuple[str, int]
    bits: tuple[str, int]
    start: tuple[str, int]


LAYOUTS = (Layout(348, ("8h", 40), ("h", 72), ("f", 108)), Layout(540, ("8q", 16), ("h", 14), ("q", 168)))
LONGEST = LAYOUTS[-1].length


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
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, reason: str) -> DataError:
    """Make the error of a file that cannot be read."""
    return DataError(f"Cannot read the volume {path}, is it damaged? ({reason}) Copy it again.")


def _check_nifti(path: Path) -> None:
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        header = file.read(LONGEST)
        n_bytes = len(header) + _remaining(file)
    expected = _expected_bytes(header)
    if n_bytes < expected:
        raise EOFError(f"expected {expected} bytes, got {n_bytes}")


def _expected_bytes(header: bytes) -> int:
    """Give the length that a NIfTI header states: where voxels start, and how many there are of how many bits."""
    layouts = [(order, layout) for order in "<>" for layout in LAYOUTS]
    found = [(order, one) for order, one in layouts if struct.unpack_from(f"{order}i", header)[0] == one.length]
    if not found:
        raise EOFError("it has no NIfTI header")
    order, layout = found[0]
    sides, (bits,), (start,) = (struct.unpack_from(order + form, header, place) for form, place in layout[1:])
    return int(start) + math.prod(sides[1 : 1 + sides[0]]) * bits // 8


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

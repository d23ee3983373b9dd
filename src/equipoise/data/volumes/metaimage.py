"""Read MetaImage files (.mha), every field of whose header is checked here.

ITK would read the voxels from any file that the header names, and believe its sizes. This reader
knows the fields that say where and what the voxels are, refuses what contradicts the bytes of the
file, and ignores all others.

Source: the MetaIO documentation of ITK. Difference: text voxels, and voxels in other files, are not
read.
"""

import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volumes.geometry import DIMENSIONS, FARTHEST_MM, Geometry, check_spacing
from equipoise.data.volumes.nifti import CHUNK, check_size, check_volume_size
from equipoise.exceptions import DataError

T = TypeVar("T", int, float)
MOST_HEADER = 1 << 16  # bytes; real ones are far shorter
TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
# One meaning, several names.
ORIGINS = ("Offset", "Position", "Origin")
DIRECTIONS = ("TransformMatrix", "Rotation", "Orientation")
BYTE_ORDERS = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
TRUTHS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
GZIP_OR_ZLIB = 47  # zlib's code for both, with the largest window


def read_metaimage(path: Path) -> tuple[NDArray[Any], Geometry]:
    """Read the (z, y, x) voxels and the geometry of a .mha file.

    Raises:
        DataError: A field contradicts another one, or has no meaning here; the message names it.
        EOFError, OSError, ValueError, zlib.error: The file is damaged, or of another kind.
    """
    with path.open("rb") as file:
        fields = _read_fields(file, path)
        shape, dtype = _voxels_of(fields, path)
        geometry = _geometry_of(fields, shape, path)
        n_bytes = math.prod(shape) * dtype.itemsize
        n_of_slice = n_bytes // shape[0]
        if _truth(fields, "CompressedData", default=False):
            content = _decompress(file, n_bytes)
        else:
            content = bytearray(file.read(n_bytes + n_of_slice))
    check_size(len(content), n_bytes, n_of_slice=n_of_slice)
    voxels = np.frombuffer(content, dtype, n_bytes // dtype.itemsize).reshape(shape)
    return voxels.astype(dtype.newbyteorder("="), copy=False), geometry


def _read_fields(file: IO[bytes], path: Path) -> dict[str, str]:
    """Read the header up to its last field, behind which the voxels begin."""
    fields: dict[str, str] = {}
    while "ElementDataFile" not in fields:
        line = file.readline(MOST_HEADER)
        name, equals, value = map(str.strip, line.decode("latin-1").partition("="))
        if not name or not equals or file.tell() > MOST_HEADER:
            raise EOFError("it has no MetaImage header")
        if name in fields:
            raise DataError(_wrong(path, f"{name} once", "it twice"))
        fields[name] = value
    if fields["ElementDataFile"] != "LOCAL":
        raise DataError(
            f"Expected the voxels inside {path}, its header names another file. "
            "Save it again as one .mha file."
        )
    return fields


def _voxels_of(fields: Mapping[str, str], path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape (z, y, x) and the storage type."""
    if fields.get("ObjectType", "Image").lower() != "image":
        raise DataError(_wrong(path, "ObjectType = Image", fields["ObjectType"]))
    n_axes = _numbers(fields, "NDims", 1, int, path)[0]
    sides = fields.get("DimSize", "").split()
    if n_axes != DIMENSIONS:
        raise DataError(
            f"Expected 3 dimensions in {path}, got {n_axes}: ({', '.join(sides)}) (x, y, z, ...). "
            "Save each modality or time point as a separate file (case_0000, case_0001, ...)."
        )
    shape = _numbers(fields, "DimSize", DIMENSIONS, int, path)[::-1]
    if min(shape) < 1:
        raise DataError(_wrong(path, "sides above 0 in DimSize", fields["DimSize"]))
    n_values = 1
    if "ElementNumberOfChannels" in fields:
        n_values = _numbers(fields, "ElementNumberOfChannels", 1, int, path)[0]
    if n_values != 1:
        raise DataError(
            f"Expected one value for each voxel in {path}, got {n_values} (color, or vectors). "
            "Save one component as a gray volume."
        )
    if not _truth(fields, "BinaryData", default=True):
        raise DataError(_wrong(path, "BinaryData = True", fields["BinaryData"]))
    if fields.get("HeaderSize", "0") != "0":
        raise DataError(_wrong(path, "HeaderSize = 0", fields["HeaderSize"]))
    name = fields.get("ElementType", "none")
    if name not in TYPES:
        raise DataError(_wrong(path, f"an ElementType of {', '.join(TYPES)}", name))
    is_big = _truth(fields, _name_of(fields, BYTE_ORDERS, path), default=False)
    dtype = np.dtype(f"{'>' if is_big else '<'}{TYPES[name]}")
    check_volume_size(shape[::-1], dtype, path)
    return shape, dtype


def _geometry_of(fields: Mapping[str, str], shape: tuple[int, ...], path: Path) -> Geometry:
    spacing_name = "ElementSpacing" if "ElementSpacing" in fields else "ElementSize"
    spacing = _numbers(fields, spacing_name, DIMENSIONS, float, path)
    check_spacing(spacing, path, f"{spacing_name}, x y z")
    origin: tuple[float, ...] = (0.0,) * DIMENSIONS
    direction = np.eye(DIMENSIONS)
    if (name := _name_of(fields, ORIGINS, path)) in fields:
        origin = _numbers(fields, name, DIMENSIONS, float, path)
    if not all(abs(position) <= FARTHEST_MM for position in origin):
        raise DataError(_wrong(path, f"{name} up to {FARTHEST_MM:,.0f} mm", fields[name]))
    if (name := _name_of(fields, DIRECTIONS, path)) in fields:
        # The file lists the axes one after the other, a direction matrix has them as columns.
        direction = np.reshape(_numbers(fields, name, DIMENSIONS**2, float, path), (3, 3)).T
    if not np.isfinite(direction).all():
        raise DataError(_wrong(path, f"finite numbers in {name}", fields[name]))
    return Geometry(
        shape=(shape[0], shape[1], shape[2]),
        spacing_mm=(spacing[2], spacing[1], spacing[0]),
        origin=origin,
        direction=tuple(direction.ravel().tolist()),
    )


def _decompress(file: IO[bytes], n_bytes: int) -> bytearray:
    """Decompress the rest of a file, but not much more than `n_bytes`."""
    content = bytearray()
    stream = zlib.decompressobj(GZIP_OR_ZLIB)
    while not stream.eof and len(content) <= n_bytes:
        chunk = stream.unconsumed_tail or file.read(CHUNK)
        if not chunk:
            break
        content += stream.decompress(chunk, CHUNK)
    if len(content) > n_bytes:
        raise EOFError(f"expected {n_bytes} bytes of voxels, got more: its sides are wrong")
    if not stream.eof:
        raise EOFError("its compressed part ends too early")
    return content


def _name_of(fields: Mapping[str, str], names: tuple[str, ...], path: Path) -> str:
    """Return which name of one meaning a header uses, the first if it uses none."""
    used = [name for name in names if name in fields]
    if len(used) > 1:
        raise DataError(_wrong(path, f"one of {', '.join(names)}", " and ".join(used)))
    return used[0] if used else names[0]


def _numbers(
    fields: Mapping[str, str], name: str, n: int, kind: type[T], path: Path
) -> tuple[T, ...]:
    """Return the n numbers of a field."""
    words = fields.get(name, "nothing").split()
    try:
        numbers = tuple(kind(word) for word in words if "_" not in word)
    except ValueError:
        numbers = ()
    if len(numbers) != n:
        what = "number" if n == 1 else f"{n} numbers"
        raise DataError(_wrong(path, f"{what} in {name}", " ".join(words)))
    return numbers


def _truth(fields: Mapping[str, str], name: str, *, default: bool) -> bool:
    word = fields.get(name, str(default)).lower()
    if word not in TRUTHS:
        raise ValueError(f"its header has {name} = {word}, expected True or False")
    return TRUTHS[word]


def _wrong(path: Path, expected: str, got: str) -> str:
    return (
        f"Expected {expected} in the header of {path}, got {got[:100]}. Save it again as .mha, for "
        "example with SimpleITK."
    )

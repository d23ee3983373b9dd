"""The header and the raw voxels of a NIfTI-1 file, checked before ITK reads it.

ITK takes a spacing of 0 for 1, NaN for 0, and a file that says nothing about its first voxel for
one that starts there. None of that reaches it: each field that it would interpret is read and
bounded here.

Source: nifti1.h of the NIfTI Data Format Working Group (2003).
"""

import gzip
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from equipoise.data.limits import MAX_VOLUME_BYTES, mib
from equipoise.data.volumes.geometry import FARTHEST_MM, Affine, are_square, check_spacing
from equipoise.exceptions import DataError

HEADER = 348  # bytes, which the header states first
FIRST_VOXEL = 352  # of a single file, at least: header and 4 bytes about extensions
MOST_BEFORE = 1 << 26  # bytes; only extensions are before the first voxel
CHUNK = 1 << 20  # bytes, a multiple of every voxel's size
TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4",
    1024: "i8", 1280: "u8",
}  # fmt: skip
COLORS = {32: 2, 128: 3, 1792: 2, 2304: 4}  # code -> values for each voxel
MILLIMETERS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # of a unit; 0 is not known
NO_DATA = 1e30  # larger numbers stand for missing ones
RELATIVE = 1e-3  # difference of two spacings that is rounding


@dataclass(frozen=True, kw_only=True, eq=False)
class NiftiHeader:
    """Fields of a checked header; axes are in the order of the file, (x, y, z).

    Attributes:
        shape: Voxels along (x, y, z).
        dtype: Storage type with its byte order.
        start: Byte of the first voxel.
        pixdim: Handedness of the qform, then the distance between voxels along (x, y, z).
        units: Code of the unit of distances.
        codes: qform_code and sform_code; the form is unused if its code is not above 0.
        quaternion: b, c, d of the qform.
        offset: Position of the first voxel in the qform.
        rows: The 12 numbers of the sform.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    pixdim: tuple[float, ...]
    units: int
    codes: tuple[int, int]
    quaternion: tuple[float, ...]
    offset: tuple[float, ...]
    rows: tuple[float, ...]

    @property
    def n_bytes(self) -> int:
        """Bytes of the voxels."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def affines(self) -> tuple[Affine, Affine]:
        """Where viewers place the voxels that prefer the sform, and those that prefer the qform.

        From (x, y, z) to the unit of the file, in RAS. Without any form the center of the volume is
        the origin and x points to the left, as in nibabel.
        """
        has_qform, has_sform = (code > 0 for code in self.codes)
        sform = np.vstack([np.reshape(self.rows, (3, 4)), [0, 0, 0, 1]])
        if has_qform:
            qform = self._qform
        elif has_sform:
            qform = sform
        else:
            scales = np.array([-1, 1, 1]) * np.array(self.pixdim[1:])
            qform = np.diag([*scales, 1.0])
            qform[:3, 3] = -(np.array(self.shape) - 1) / 2 * scales
        return (sform if has_sform else qform), qform

    @property
    def placement(self) -> bytes:
        """The fields that say where the voxels lie, as they are stored, little-endian."""
        return struct.pack(
            "<4fB2h18f",
            *self.pixdim,
            self.units,
            *self.codes,
            *self.quaternion,
            *self.offset,
            *self.rows,
        )

    @property
    def _qform(self) -> Affine:
        b, c, d = self.quaternion
        a = math.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
        rotation = np.array([
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ])  # fmt: skip
        mirrored = -1.0 if self.pixdim[0] < 0 else 1.0
        affine = np.eye(4)
        affine[:3, :3] = rotation * self.pixdim[1:] * [1, 1, mirrored]
        affine[:3, 3] = self.offset
        return affine


def place_like(content: bytes, reference: NiftiHeader) -> bytes:
    """Return a little-endian NIfTI file in which the voxels lie as in a reference."""
    fields = reference.placement
    placed = bytearray(content)
    placed[76:92] = fields[:16]
    placed[123:124] = fields[16:17]
    placed[252:328] = fields[17:]
    return bytes(placed)


def opened_nifti(path: Path) -> IO[bytes]:
    """Open a .nii or .nii.gz file for reading, decompressed."""
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def read_nifti_header(path: Path) -> NiftiHeader:
    """Read and check the header of a .nii or .nii.gz file.

    Raises:
        DataError: A field contradicts another one or has no meaning; the message names it.
        EOFError, OSError, ValueError, zlib.error: The file is damaged, or of another kind.
    """
    with opened_nifti(path) as file:
        return _parse(file.read(HEADER), path)


def check_nifti(path: Path) -> NiftiHeader:
    """Check the header and all voxels of a .nii or .nii.gz file, read to its end.

    Raises:
        DataError: See `read_nifti_header`; or a voxel is NaN, infinite or a no-data value.
        EOFError, OSError, ValueError, zlib.error: The file is damaged, or of another kind.
    """
    with opened_nifti(path) as file:
        header = _parse(file.read(HEADER), path)
        file.seek(header.start)
        n_read = n_bad = 0
        while chunk := file.read(CHUNK):
            voxels = chunk[: max(0, header.n_bytes - n_read)]
            n_read += len(chunk)
            if header.dtype.kind == "f":
                whole = len(voxels) // header.dtype.itemsize
                n_bad += count_bad(np.frombuffer(voxels, header.dtype, whole))
            if n_read >= header.n_bytes + header.n_bytes // header.shape[2]:
                break  # by a whole slice more than the header says
    check_size(n_read, header.n_bytes, n_of_slice=header.n_bytes // header.shape[2])
    refuse_bad(n_bad, path)
    return header


def count_bad(voxels: NDArray[Any]) -> int:
    """Count voxels that are NaN, infinite, or so large that they stand for missing ones."""
    if voxels.dtype.kind != "f":
        return 0
    return int(voxels.size - np.count_nonzero(np.abs(voxels) <= NO_DATA))


def refuse_bad(n_bad: int, path: Path) -> None:
    """Raise a `DataError` if any voxel of a file is no number."""
    if n_bad:
        raise DataError(
            f"Expected a finite number in each voxel of {path}, got NaN, infinity or a no-data "
            f"value (above 1e30) in {n_bad:,}. Set those voxels to 0."
        )


def check_size(n_bytes: int, expected: int, *, n_of_slice: int) -> None:
    """Compare the bytes of the voxels with those that a header states.

    Raises:
        EOFError: There are fewer, or more by at least a slice, so that the header is wrong.
    """
    if n_bytes < expected:
        raise EOFError(f"expected {expected} bytes of voxels, got {n_bytes}")
    if n_bytes >= expected + n_of_slice:
        raise EOFError(f"expected {expected} bytes of voxels, got {n_bytes}: its sides are wrong")


def check_volume_size(shape: tuple[int, ...], dtype: np.dtype[Any], path: Path) -> None:
    """Check that the voxels of a file fit the limit.

    Raises:
        DataError: They do not.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > MAX_VOLUME_BYTES:
        raise DataError(
            f"Expected at most {mib(MAX_VOLUME_BYTES)} of voxels in {path}, its header says "
            f"{mib(n_bytes)}: {' x '.join(map(str, shape))} of {dtype}. Crop it or scale it down."
        )


def _parse(header: bytes, path: Path) -> NiftiHeader:
    """Read the fields of a header and check each of them."""
    order = _byte_order(header)
    n_axes, *sides = struct.unpack_from(f"{order}8h", header, 40)
    code, bits = struct.unpack_from(f"{order}2h", header, 70)
    start, slope, intercept = struct.unpack_from(f"{order}3f", header, 108)
    if not 1 <= n_axes <= 7 or min(sides[:n_axes]) < 1:
        raise DataError(_wrong(path, "1 to 7 sides above 0 (dim)", (n_axes, *sides)))
    _check_axes(sides[:n_axes], path)
    shape = tuple(sides[:3])
    dtype = np.dtype(f"{order}{_storage_type(code, bits, path)}")
    check_volume_size(shape, dtype, path)
    if not FIRST_VOXEL <= start <= MOST_BEFORE or start != int(start):
        raise DataError(_wrong(path, f"a vox_offset from {FIRST_VOXEL}", (start,)))
    scales = math.isfinite(slope) and slope != 0
    if math.isinf(slope) or (scales and not math.isfinite(intercept)):
        raise DataError(_wrong(path, "finite scl_slope and scl_inter", (slope, intercept)))
    parsed = NiftiHeader(
        shape=shape,
        dtype=dtype,
        start=int(start),
        pixdim=struct.unpack_from(f"{order}4f", header, 76),
        units=header[123],
        codes=struct.unpack_from(f"{order}2h", header, 252),
        quaternion=struct.unpack_from(f"{order}3f", header, 256),
        offset=struct.unpack_from(f"{order}3f", header, 268),
        rows=struct.unpack_from(f"{order}12f", header, 280),
    )
    _check_placement(parsed, path)
    return parsed


def _byte_order(header: bytes) -> str:
    """Return "<" or ">" of a single NIfTI-1 file."""
    if header.startswith(b"\x1f\x8b"):
        raise EOFError("it is compressed by gzip: let its name end in .nii.gz")
    if len(header) < HEADER:
        raise EOFError(f"expected {HEADER} bytes of header, got {len(header)}")
    if header[344:348] == b"ni1\0":
        raise EOFError("its voxels are in another file: save it as a single NIfTI-1 file (n+1)")
    for order in "<>":
        is_size = struct.unpack_from(f"{order}i", header)[0] == HEADER
        if is_size and header[344:348] == b"n+1\0":
            return order
    raise EOFError("it has no NIfTI-1 header (n+1); NIfTI-2 files must be saved as NIfTI-1")


def _storage_type(code: int, bits: int, path: Path) -> str:
    if code in COLORS:
        raise DataError(
            f"Expected one value for each voxel in {path}, got {COLORS[code]} (color, or complex). "
            "Save one component as a gray volume."
        )
    if code not in TYPES or np.dtype(TYPES[code]).itemsize * 8 != bits:
        raise DataError(_wrong(path, "a known datatype and its bitpix", (code, bits)))
    return TYPES[code]


def _check_axes(sides: list[int], path: Path) -> None:
    if len(sides) < 3 or max(sides[3:], default=1) > 1:
        raise DataError(
            f"Expected 3 dimensions in {path}, got {len(sides)}: {tuple(sides)} (x, y, z, ...). "
            "Save each modality or time point as a separate file (case_0000, case_0001, ...)."
        )


def _check_placement(header: NiftiHeader, path: Path) -> None:
    """Check spacing and forms; a form that is not used may hold anything."""
    unit = header.units & 7
    if unit not in MILLIMETERS:
        raise DataError(_wrong(path, "a unit of distances (xyzt_units) from 0 to 3", (unit,)))
    check_spacing([size * MILLIMETERS[unit] for size in header.pixdim[1:]], path, "pixdim, x y z")
    if header.codes[0] > 0:
        fields = (*header.quaternion, *header.offset)
        if header.pixdim[0] not in (-1, 0, 1):
            raise DataError(_wrong(path, "-1 or 1 in pixdim[0]", header.pixdim[:1]))
        if not np.isfinite(fields).all() or sum(x * x for x in fields[:3]) > 1 + RELATIVE:
            raise DataError(_wrong(path, "a qform of a unit quaternion and an offset", fields))
    if header.codes[1] > 0:
        if not np.isfinite(header.rows).all():
            raise DataError(_wrong(path, "finite numbers in its sform", header.rows))
        axes = header.affines[0][:3, :3]
        lengths = np.linalg.norm(axes, axis=0)
        is_same = np.allclose(lengths, header.pixdim[1:], rtol=RELATIVE, atol=RELATIVE)
        if not is_same and are_square(axes / np.maximum(lengths, RELATIVE)):
            raise DataError(
                f"Expected one distance between the voxels of {path}, got two: "
                f"{_listed(header.pixdim[1:])} in its pixdim and {_listed(lengths)} in its sform. "
                "Correct the header: in nibabel, image.header.set_zooms(...) if the sform is "
                "right, or image.set_sform(image.get_qform()), then save it again."
            )

    positions = [*header.affines[0][:3, 3], *header.affines[1][:3, 3]]
    if max(map(abs, positions)) * MILLIMETERS[unit] > FARTHEST_MM:
        raise DataError(
            _wrong(path, f"at most {FARTHEST_MM:,.0f} mm from the origin", tuple(positions))
        )


def _wrong(path: Path, expected: str, got: tuple[float, ...]) -> str:
    return (
        f"Expected {expected} in the header of {path}, got {_listed(got)}. Correct the header, or "
        "convert the file again."
    )


def _listed(numbers: Any) -> str:
    return ", ".join(f"{number:g}" for number in numbers)

"""One volume in a file (NIfTI or MetaImage): reading it with its geometry, and writing label maps."""

import gzip
import math
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import atomic_file
from equipoise.data.images.file import quiet
from equipoise.data.volumes.geometry import DIMENSIONS, TOLERANCE, Geometry
from equipoise.exceptions import DataError, SettingError

CHUNK = 1 << 20  # bytes
NIFTI_HEADER = 348  # bytes, which it states first
METAIMAGE_HEADER = 1 << 16  # bytes; real ones are far shorter


def check_whole(path: Path) -> None:
    """Read a .nii, .nii.gz or .mha file to its end.

    Raises:
        DataError: It is shorter than its header says, its compressed part is damaged, it is no
            NIfTI file, or it keeps its voxels in another file, which might lie anywhere.
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
    order = next(
        (order for order in "<>" if struct.unpack_from(f"{order}i", header)[0] == NIFTI_HEADER),
        None,
    )
    if order is None:
        raise EOFError("it has no NIfTI-1 header; NIfTI-2 files must be saved as NIfTI-1")
    sides = struct.unpack_from(f"{order}8h", header, 40)
    (bits,), (start,) = (
        struct.unpack_from(f"{order}h", header, 72),
        struct.unpack_from(f"{order}f", header, 108),
    )
    n_voxels: int = math.prod(sides[1 : 1 + sides[0]])
    return int(start) + n_voxels * int(bits) // 8


def _check_metaimage(path: Path) -> None:
    """Check what ITK does not; it does notice itself where plain voxels are missing."""
    with path.open("rb") as file:
        found = re.search(
            rb"ElementDataFile\s*=\s*([^\r\n]*)\r?\n", header := file.read(METAIMAGE_HEADER)
        )
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


SUFFIXES = (".nii.gz", ".nii", ".mha")


@dataclass(frozen=True, kw_only=True, eq=False)
class VolumeFile:
    """A volume as it was read: its path, its (z, y, x) array in the type of the file, and its geometry."""

    path: Path
    array: NDArray[Any]
    geometry: Geometry

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxels along (z, y, x)."""
        return self.geometry.spacing_mm


def suffix_of(path: Path) -> str:
    """Give the suffix of a volume file, ".nii.gz" as one; "" if it is none."""
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")


def read_volume(path: Path) -> VolumeFile:
    """Read a .nii, .nii.gz or .mha file.

    Raises:
        DataError: The file is absent, damaged or of another kind, has not three dimensions or one
            value for each voxel, is skewed, or keeps its voxels in another file.
    """
    if not suffix_of(path):
        raise DataError(f"Expected a volume ({', '.join(SUFFIXES)}), got {path}. Convert the file.")
    if not path.is_file():
        raise DataError(f"Expected a volume at {path}, found none. Check the path.")
    check_whole(path)
    image = _decode(path)
    geometry = Geometry(
        shape=image.GetSize()[::-1],
        spacing_mm=image.GetSpacing()[::-1],
        origin=image.GetOrigin(),
        direction=image.GetDirection(),
    )
    axes = np.reshape(geometry.direction, (DIMENSIONS, DIMENSIONS))
    if not np.allclose(axes @ axes.T, np.eye(DIMENSIONS), atol=TOLERANCE):
        raise DataError(_skewed(path))
    return VolumeFile(path=path, array=_array(image), geometry=geometry)


def write_label_map(path: Path, values: NDArray[np.uint8], geometry: Geometry) -> None:
    """Write a label map in the geometry of a case; nothing else of the case's files is carried over.

    Args:
        path: .nii, .nii.gz or .mha; appears whole or not at all.
        values: (z, y, x) label values, 0 to 255, of the whole volume.
        geometry: That of the case's images.

    Raises:
        SettingError: Another suffix, or the folder cannot be written.
        DataError: Another shape than the geometry's, or another type than uint8.
    """
    import SimpleITK

    suffix = suffix_of(path)
    if not suffix:
        raise SettingError(
            f"Expected a name that ends in {', '.join(SUFFIXES)}, got {path}. Change the name."
        )
    if values.shape != geometry.shape or values.dtype != np.uint8:
        raise DataError(
            f"Expected uint8 labels of shape (z, y, x) {geometry.shape} for {path}, got {values.dtype} of "
            f"{values.shape}. Put the crop back into the whole volume first (equipoise.data.volumes.preparing.uncropped)."
        )
    image = SimpleITK.GetImageFromArray(values)
    image.SetSpacing(geometry.spacing_mm[::-1])
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    with atomic_file(path) as temporary:
        suffixed = temporary.with_name(temporary.name + suffix)  # SimpleITK goes by the suffix
        try:
            SimpleITK.WriteImage(image, str(suffixed), useCompression=True)
            suffixed.replace(temporary)
        finally:
            suffixed.unlink(missing_ok=True)


def _decode(path: Path) -> Any:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with quiet():
            reader.ReadImageInformation()
            _check_kind(path, reader)
            return reader.Execute()
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise DataError(_skewed(path)) from error
        reason = str(error).strip().splitlines()[-1].strip()
        raise damaged(path, reason) from error


def _check_kind(path: Path, reader: Any) -> None:
    size, n_values = reader.GetSize(), reader.GetNumberOfComponents()
    if len(size) != DIMENSIONS:
        raise DataError(
            f"Expected 3 dimensions in {path}, got {len(size)}: {tuple(size)} (x, y, z, ...). "
            "Save each modality or time point as a file of its own."
        )
    if n_values != 1:
        raise DataError(
            f"Expected one value for each voxel in {path}, got {n_values} (color, or vectors). "
            "Save one component as a gray volume."
        )


def _array(image: Any) -> NDArray[Any]:
    import SimpleITK

    array: NDArray[Any] = SimpleITK.GetArrayFromImage(image)
    return array


def _skewed(path: Path) -> str:
    return (
        f"The axes of {path} are not at right angles (non-orthonormal direction cosines), so distances in mm are "
        "not defined along them. Resample it to a rectangular grid, or correct its header: in nibabel, "
        "image.set_sform(image.get_qform()) where the qform is right, then save it again."
    )

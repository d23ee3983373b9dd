"""Read volumes (NIfTI or MetaImage) with their geometry, check them, and write label maps."""

import gzip
import math
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import atomic_file
from equipoise.data.images.file import quiet
from equipoise.data.volumes.geometry import DIMENSIONS, TOLERANCE, Geometry
from equipoise.exceptions import DataError, SettingError

SUFFIXES = (".nii.gz", ".nii", ".mha")
CHUNK = 1 << 20  # bytes
NIFTI_HEADER = 348  # bytes, which the header states first
METAIMAGE_HEADER = 1 << 16  # bytes; real ones are far shorter
DATA_FILE = re.compile(rb"ElementDataFile\s*=\s*([^\r\n]*)\r?\n")
COMPRESSED = re.compile(rb"CompressedData\s*=\s*True", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, eq=False)
class VolumeFile:
    """A volume as it was read: path, (z, y, x) array in the type of the file, and geometry."""

    path: Path
    array: NDArray[Any]
    geometry: Geometry

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxels along (z, y, x)."""
        return self.geometry.spacing_mm


def suffix_of(path: Path) -> str:
    """Return the suffix of a volume file, or "" if the path is not one.

    Example:
        >>> suffix_of(Path("p7/FLAIR.nii.gz")), suffix_of(Path("notes.txt"))
        ('.nii.gz', '')
    """
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")


def read_volume(path: Path) -> VolumeFile:
    """Read a .nii, .nii.gz or .mha file.

    Raises:
        DataError: The file is absent, damaged or of another kind, does not have three dimensions
            and one value for each voxel, is skewed, or stores its voxels in another file.

    Example:
        >>> import tempfile
        >>> geometry = Geometry(shape=(2, 4, 4), spacing_mm=(5, 1, 1), origin=(0, 0, 0),
        ...                     direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "seg.nii.gz")
        ...     write_label_map(path, np.zeros((2, 4, 4), dtype=np.uint8), geometry)
        ...     volume = read_volume(path)
        >>> volume.array.shape, volume.spacing_mm
        ((2, 4, 4), (5.0, 1.0, 1.0))
    """
    import SimpleITK

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
        raise _skewed(path)
    return VolumeFile(path=path, array=SimpleITK.GetArrayFromImage(image), geometry=geometry)


def check_whole(path: Path) -> None:
    """Check a .nii, .nii.gz or .mha file by reading it to its end.

    Raises:
        DataError: The file is shorter than its header says, its compressed part is damaged, it is
            not a NIfTI file, or it stores its voxels in another file, which might be anywhere.
    """
    try:
        if path.suffix.lower() == ".mha":
            _check_metaimage(path)
        else:
            _check_nifti(path)
    except DataError:
        raise
    except (OSError, EOFError, ValueError, OverflowError, zlib.error, struct.error) as error:
        raise _damaged(path, str(error)) from error


def write_label_map(path: Path, values: NDArray[np.uint8], geometry: Geometry) -> None:
    """Write a label map in the geometry of a case; nothing else of the case's files is copied.

    Args:
        path: .nii, .nii.gz or .mha; it appears whole or not at all.
        values: (z, y, x) label values, 0 to 255, of the whole volume.
        geometry: Geometry of the case's images.

    Raises:
        SettingError: Another suffix, or the folder cannot be written.
        DataError: Another shape than the geometry's, or another type than uint8.

    See Also:
        equipoise.data.volumes.preparing.uncropped: Put the codes of a crop back into the volume.
    """
    import SimpleITK

    suffix = suffix_of(path)
    if not suffix:
        raise SettingError(
            f"Expected a name that ends in {', '.join(SUFFIXES)}, got {path}. Change the name."
        )
    if values.shape != geometry.shape or values.dtype != np.uint8:
        raise DataError(
            f"Expected uint8 labels of shape (z, y, x) {geometry.shape} for {path}, got "
            f"{values.dtype} of {values.shape}. Put the crop back into the whole volume first "
            "(equipoise.data.volumes.preparing.uncropped)."
        )
    image = SimpleITK.GetImageFromArray(values)
    image.SetSpacing(geometry.spacing_mm[::-1])
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    with atomic_file(path) as temporary:
        with_suffix = temporary.with_name(temporary.name + suffix)  # it selects SimpleITK's format
        try:
            SimpleITK.WriteImage(image, str(with_suffix), useCompression=True)
            with_suffix.replace(temporary)
        finally:
            with_suffix.unlink(missing_ok=True)


def _check_nifti(path: Path) -> None:
    """Compare the size of a file, decompressed, with the one that its header states."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        header = file.read(NIFTI_HEADER)
        n_bytes = len(header)
        while chunk := file.read(CHUNK):
            n_bytes += len(chunk)
    if struct.unpack_from("<i", header)[0] == NIFTI_HEADER:
        order = "<"
    elif struct.unpack_from(">i", header)[0] == NIFTI_HEADER:
        order = ">"
    else:
        raise EOFError("it has no NIfTI-1 header; NIfTI-2 files must be saved as NIfTI-1")
    n_axes, *sides = struct.unpack_from(f"{order}8h", header, 40)
    (bits,) = struct.unpack_from(f"{order}h", header, 72)  # of a voxel
    (start,) = struct.unpack_from(f"{order}f", header, 108)  # byte of the first voxel
    expected = int(start) + math.prod(sides[:n_axes]) * int(bits) // 8
    if n_bytes < expected:
        raise EOFError(f"expected {expected} bytes, got {n_bytes}")


def _check_metaimage(path: Path) -> None:
    """Check what ITK does not check; ITK itself notices if uncompressed voxels are missing."""
    with path.open("rb") as file:
        header = file.read(METAIMAGE_HEADER)
        data_file = DATA_FILE.search(header)
        if data_file is None:
            raise EOFError("it has no MetaImage header")
        if data_file[1].strip() != b"LOCAL":
            raise DataError(
                f"Expected the voxels inside {path}, its header names another file. "
                "Save it again as one .mha file."
            )
        if COMPRESSED.search(header[: data_file.start()]):
            file.seek(data_file.end())
            stream = zlib.decompressobj()
            while chunk := file.read(CHUNK):
                stream.decompress(chunk)
            if not stream.eof:
                raise EOFError("its compressed part ends too early")


def _decode(path: Path) -> Any:
    """Decode an image of three dimensions with one value for each voxel."""
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with quiet():
            reader.ReadImageInformation()
            size, n_values = reader.GetSize(), reader.GetNumberOfComponents()
            image = reader.Execute() if len(size) == DIMENSIONS and n_values == 1 else None
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise _skewed(path) from error
        reason = str(error).strip().splitlines()[-1].strip()
        raise _damaged(path, reason) from error
    if len(size) != DIMENSIONS:
        raise DataError(
            f"Expected 3 dimensions in {path}, got {len(size)}: {tuple(size)} (x, y, z, ...). "
            "Save each modality or time point as a separate file."
        )
    if n_values != 1:
        raise DataError(
            f"Expected one value for each voxel in {path}, got {n_values} (color, or vectors). "
            "Save one component as a gray volume."
        )
    return image


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"Cannot read the volume {path}, is it damaged? ({reason}) Copy it again.")


def _skewed(path: Path) -> DataError:
    return DataError(
        f"The axes of {path} are not at right angles (non-orthonormal direction cosines), so "
        "distances in mm are not defined along them. Resample it to a rectangular grid, or correct "
        "its header: in nibabel, image.set_sform(image.get_qform()) if the qform is right, then "
        "save it again."
    )

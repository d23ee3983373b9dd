"""Read volumes (NIfTI or MetaImage) with their geometry, check them, and write label maps."""

import errno
import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import atomic_file
from equipoise.data.images.file import quiet
from equipoise.data.volumes.geometry import (
    DIMENSIONS,
    TOLERANCE,
    Affine,
    Geometry,
    are_square,
)
from equipoise.data.volumes.metaimage import read_metaimage
from equipoise.data.volumes.nifti import (
    NiftiHeader,
    check_nifti,
    count_bad,
    place_like,
    read_nifti_header,
    refuse_bad,
)
from equipoise.data.walking import pointer_reason
from equipoise.exceptions import DataError, SettingError
from equipoise.extras import import_itk
from equipoise.shortages import is_out_of_files

NIFTI = (".nii.gz", ".nii")
SUFFIXES = (*NIFTI, ".mha")
FORMS = ("sform", "qform")
DAMAGE = (OSError, EOFError, ValueError, OverflowError, MemoryError, zlib.error, struct.error)


@dataclass(frozen=True, kw_only=True, eq=False)
class VolumeFile:
    """A volume as it was read.

    Attributes:
        path: The file.
        array: (z, y, x) in the type of the file.
        geometry: As ITK understands it.
        nifti: The header of a NIfTI file, which may place the voxels in two ways.
    """

    path: Path
    array: NDArray[Any]
    geometry: Geometry
    nifti: NiftiHeader | None = None

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxels along (z, y, x)."""
        return self.geometry.spacing_mm

    @property
    def affines(self) -> tuple[Affine, Affine]:
        """Where viewers place the voxels that prefer the sform, and those that prefer the qform."""
        if self.nifti is None:
            return self.geometry.affine, self.geometry.affine
        return self.nifti.affines

    def difference(self, other: Self) -> str:
        """Describe the first difference in shape or place, in any viewer; "" if there is none."""
        if difference := self.geometry.difference(other.geometry):
            return difference
        for name, mine, theirs in zip(FORMS, self.affines, other.affines, strict=True):
            if not np.allclose(mine, theirs, rtol=0, atol=TOLERANCE):
                return f"{name} {_listed(mine)} and {_listed(theirs)}"
        return ""


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
    if not suffix_of(path):
        raise DataError(f"Expected a volume ({', '.join(SUFFIXES)}), got {path}. Convert the file.")
    if not path.is_file():
        raise DataError(f"Expected a volume at {path}, found none. Check the path.")
    try:
        volume = _read_metaimage(path) if path.suffix.lower() == ".mha" else _read_nifti(path)
    except DataError:
        raise
    except DAMAGE as error:
        if is_out_of_files(error):
            raise
        raise _damaged(path, error) from error
    axes = np.reshape(volume.geometry.direction, (DIMENSIONS, DIMENSIONS))
    if not are_square(axes):
        raise _skewed(path)
    return volume


def write_label_map(
    path: Path, values: NDArray[np.uint8], geometry: Geometry, reference: Path | None = None
) -> None:
    """Write a label map in the geometry of a case; nothing else of the case's files is copied.

    A NIfTI image may place its voxels twice, by its sform and its qform, and viewers differ in
    which they prefer. If they disagree, the label map gets both, and lies over the image in all.

    Args:
        path: .nii, .nii.gz or .mha; it appears whole or not at all.
        values: (z, y, x) label values, 0 to 255, of the whole volume.
        geometry: Geometry of the case's images.
        reference: One of these images.

    Raises:
        SettingError: Another suffix, a format that cannot place voxels as the reference does, or
            the folder cannot be written.
        DataError: Another shape than the geometry's, or another type than uint8.

    See Also:
        equipoise.data.volumes.preparing.uncropped: Put the codes of a crop back into the volume.
    """
    itk = import_itk()

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
    forms = None
    if reference is not None:
        check_placement(path, reference)
        if suffix in NIFTI and suffix_of(reference) in NIFTI:
            forms = header_of(reference)
    image = itk.GetImageFromArray(values)
    image.SetSpacing(geometry.spacing_mm[::-1])
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    with atomic_file(path) as temporary:
        with_suffix = temporary.with_name(temporary.name + suffix)  # it selects SimpleITK's format
        try:
            write_whole(image, with_suffix)
            if forms is not None and _lies_elsewhere(forms, geometry):
                _copy_forms(with_suffix, forms)
            with_suffix.replace(temporary)
        finally:
            with_suffix.unlink(missing_ok=True)


def write_whole(image: Any, path: Path) -> None:
    """Write an image of SimpleITK and read it again: ITK does not notice that a disk is full.

    Raises:
        OSError: The file could not be written whole.
    """
    itk = import_itk()

    cause, is_whole = None, False
    try:
        with quiet():
            itk.WriteImage(image, str(path), useCompression=True)
            written = itk.ReadImage(str(path))
        is_whole = np.array_equal(*map(itk.GetArrayViewFromImage, (written, image)))
    except RuntimeError as error:
        cause = error
    if not is_whole:
        raise OSError(errno.ENOSPC, "It could not be written whole", str(path)) from cause


def check_placement(path: Path, reference: Path) -> None:
    """Check that a label map at `path` can lie over an image in every viewer.

    Raises:
        SettingError: The image places its voxels in two ways, and `path` is no NIfTI file.
        DataError: The header of the image is damaged, or contradicts itself.
        MissingPackageError: SimpleITK is not installed.
    """
    import_itk()  # before a network runs whose label map could not be written
    if suffix_of(reference) not in NIFTI or suffix_of(path) in NIFTI:
        return
    first, second = header_of(reference).affines
    if not np.allclose(first, second, rtol=0, atol=TOLERANCE):
        raise SettingError(
            f"The header of {reference} places its voxels in two ways (sform and qform), which "
            f"{path.name} cannot. Let its name end in .nii.gz."
        )


def header_of(path: Path) -> NiftiHeader:
    """Read and check the header of a .nii or .nii.gz file, without its voxels.

    Raises:
        DataError: The file is damaged or of another kind, or its header contradicts itself.
    """
    try:
        return read_nifti_header(path)
    except DataError:
        raise
    except DAMAGE as error:
        if is_out_of_files(error):
            raise
        raise _damaged(path, error) from error


def _read_metaimage(path: Path) -> VolumeFile:
    array, geometry = read_metaimage(path)
    refuse_bad(count_bad(array), path)
    return VolumeFile(path=path, array=array, geometry=geometry)


def _read_nifti(path: Path) -> VolumeFile:
    """Check a NIfTI file, and let ITK decode it."""
    itk = import_itk()

    header = check_nifti(path)
    reader = itk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("NiftiImageIO")
    try:
        with quiet():
            image = reader.Execute()
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise _skewed(path) from error
        raise EOFError(str(error).strip().splitlines()[-1].strip()) from error
    geometry = Geometry(
        shape=image.GetSize()[::-1],
        spacing_mm=image.GetSpacing()[::-1],
        origin=image.GetOrigin(),
        direction=image.GetDirection(),
    )
    array = itk.GetArrayFromImage(image)
    refuse_bad(count_bad(array), path)  # numbers may overflow when they are scaled
    return VolumeFile(path=path, array=array, geometry=geometry, nifti=header)


def _lies_elsewhere(header: NiftiHeader, geometry: Geometry) -> bool:
    """Return whether any viewer places the voxels of a file elsewhere than ITK."""
    expected = geometry.affine
    return not all(np.allclose(form, expected, rtol=0, atol=TOLERANCE) for form in header.affines)


def _copy_forms(path: Path, forms: NiftiHeader) -> None:
    """Give a label map that SimpleITK wrote the forms of an image."""
    is_compressed = suffix_of(path) == ".nii.gz"
    content = gzip.decompress(path.read_bytes()) if is_compressed else path.read_bytes()
    placed = place_like(content, forms)
    path.write_bytes(gzip.compress(placed, mtime=0) if is_compressed else placed)


def _listed(affine: Affine) -> str:
    return str(affine[:3].round(3).tolist())


def _damaged(path: Path, error: Exception) -> DataError:
    if pointer := pointer_reason(path):
        return DataError(f"Cannot read the volume {path}: {pointer}")
    return DataError(f"Cannot read the volume {path}, is it damaged? ({error}) Copy it again.")


def _skewed(path: Path) -> DataError:
    return DataError(
        f"The axes of {path} are not at right angles (non-orthonormal direction cosines), so "
        "distances in mm are not defined along them. Resample it to a rectangular grid, or correct "
        "its header: in nibabel, image.set_sform(image.get_qform()) if the qform is right, then "
        "save it again."
    )

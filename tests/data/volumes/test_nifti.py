"""Headers of NIfTI files are read and bounded before ITK sees them."""

import gzip
import struct
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from equipoise.data.volumes.file import read_volume, write_label_map
from equipoise.data.volumes.nifti import read_nifti_header
from equipoise.exceptions import DataError, SettingError

ARRAY = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
FIRST, SECOND = np.diag([1.0, 1, 2, 1]), np.diag([-1.0, 1, 2, 1])
SECOND[:3, 3] = (-20, 7, 3)
NAN, INF = float("nan"), float("inf")


def write(path: Path, *edits: tuple[Any, ...], array: Any = ARRAY) -> Path:
    """Write a NIfTI file, and change fields: (byte, format, values...)."""
    nibabel.save(nibabel.Nifti1Image(array, FIRST), path.with_suffix(".nii"))
    content = bytearray(path.with_suffix(".nii").read_bytes())
    for byte, kind, *values in edits:
        struct.pack_into(f"<{kind}", content, byte, *values)
    is_compressed = path.suffix == ".gz"
    path.write_bytes(gzip.compress(content) if is_compressed else content)
    return path


BAD: dict[str, tuple[list[tuple[Any, ...]], str]] = {
    "spacing 0": ([(80, "f", 0.0)], r"0\.001 to 100 mm .* 0, 1, 2 .*pixdim"),
    "spacing NaN": ([(84, "f", NAN)], "nan"),
    "spacing infinite": ([(88, "f", INF)], "inf"),
    "spacing negative": ([(80, "f", -1.0)], "says -1, 1, 2"),
    "spacing absurd": ([(80, "3f", 3e4, 3e4, 3e4)], "30000"),
    "meters": ([(123, "b", 1)], "1000, 1000, 2000"),
    "unit": ([(123, "b", 5)], r"xyzt_units\).* got 5"),
    "no first voxel": ([(108, "f", 0.0)], "vox_offset from 352.* got 0"),
    "voxels in the header": ([(108, "f", 350.0)], "vox_offset"),
    "between two bytes": ([(108, "f", 352.5)], "vox_offset"),
    "far away": ([(108, "f", 1e12)], "vox_offset"),
    "offset NaN": ([(108, "f", NAN)], "vox_offset"),
    "no axes": ([(40, "h", 0)], r"\(dim\)"),
    "eight axes": ([(40, "h", 8)], r"\(dim\)"),
    "negative side": ([(42, "h", -4)], r"\(dim\).*-4"),
    "two axes": ([(40, "h", 2)], r"3 dimensions .* got 2: \(4, 5"),
    "wrong stride": ([(42, "h", 2)], "sides are wrong"),
    "more than memory": ([(42, "3h", 30000, 30000, 30000)], r"at most 1,024 MiB"),
    "unknown type": ([(70, "h", 3)], "datatype"),
    "another bitpix": ([(72, "h", 8)], "bitpix.* got 4, 8"),
    "color": ([(70, "2h", 128, 24)], "got 3"),
    "complex": ([(70, "2h", 32, 64)], "got 2"),
    "slope infinite": ([(112, "f", INF)], "scl_slope"),
    "intercept NaN": ([(112, "2f", 2.0, NAN)], "scl_inter"),
    "sform NaN": ([(280, "f", NAN)], "sform"),
    "sform of other spacing": ([(80, "f", 4.0)], "4, 1, 2 in its pixdim and 1, 1, 2 in its sform"),
    "quaternion": ([(252, "h", 1), (256, "3f", 1, 1, 1)], "quaternion"),
    "mirror": ([(252, "h", 1), (76, "f", 7.0)], r"pixdim\[0\]"),
    "far from the origin": ([(292, "f", 1e20)], "origin"),
    "a pair": ([(344, "4s", b"ni1\0")], "another file"),
    "Analyze": ([(344, "4s", b"\0\0\0\0")], r"n\+1"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_field_without_meaning_is_named(name: str, tmp_path: Path) -> None:
    edits, words = BAD[name]
    with pytest.raises(DataError, match=words) as caught:
        read_volume(write(tmp_path / "a.nii", *edits))
    assert "a.nii" in str(caught.value)


@pytest.mark.parametrize(
    "edits",
    [
        [(112, "2f", NAN, NAN)],  # as nibabel writes what is not scaled
        [(112, "f", 0.0)],
        [(40, "8h", 4, 4, 5, 6, 1, 1, 1, 1)],
        [(123, "b", 2 + 8)],
        [(252, "h", 0), (256, "3f", NAN, NAN, NAN)],  # of a form that is not used
    ],
)
def test_unusual_fields_that_mean_nothing_else_are_read(edits: Any, tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_volume(write(tmp_path / "a.nii", *edits)).array, ARRAY.T)


@pytest.mark.parametrize("shape", [(700, 700, 700), (30000, 100, 100)])
def test_a_small_file_that_unpacks_to_gigabytes_is_refused(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    edits = [(42, "3h", *shape), (70, "2h", 64, 64)]
    path = write(tmp_path / "a.nii.gz", *edits)
    assert path.stat().st_size < 1000
    with pytest.raises(DataError, match="1,024 MiB"):
        read_volume(path)


def test_more_data_than_the_header_says_is_not_unpacked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(1 << 24)))
    with pytest.raises(DataError, match="sides are wrong"):
        read_volume(path)


def test_a_name_that_does_not_tell_the_compression_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.nii.gz").rename(tmp_path / "b.nii")
    with pytest.raises(DataError, match=r"b\.nii.* end in \.nii\.gz"):
        read_volume(tmp_path / "b.nii")
    write(tmp_path / "a.nii").rename(tmp_path / "c.nii.gz")
    with pytest.raises(DataError, match=r"c\.nii\.gz"):
        read_volume(tmp_path / "c.nii.gz")


# ---- placement: sform and qform ----

FORMS: dict[str, Any] = {
    "both agree": lambda image: (image.set_sform(FIRST, 2), image.set_qform(FIRST, 1)),
    "both differ": lambda image: (image.set_sform(FIRST, 2), image.set_qform(SECOND, 1)),
    "only sform": lambda image: (
        image.set_qform(SECOND, 1),
        image.set_sform(SECOND, 4),
        image.set_qform(None, 0),
    ),
    "only qform": lambda image: (image.set_sform(None, 0), image.set_qform(SECOND, 1)),
    "none": lambda image: (image.set_sform(None, 0), image.set_qform(None, 0)),
    "micrometers": lambda image: (
        image.header.set_xyzt_units("micron"),
        image.set_sform(np.diag([900.0, 800, 700, 1]), 1),
        image.header.set_zooms((900, 800, 700)),
        image.set_qform(np.diag([900.0, 800, 700, 1]), 1),
    ),
}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", FORMS)
def test_a_label_map_lies_over_its_image_in_every_viewer(
    name: str, order: str, suffix: str, tmp_path: Path
) -> None:
    image = nibabel.Nifti1Image(ARRAY, None, nibabel.Nifti1Header(endianness=order))
    FORMS[name](image)
    nibabel.save(image, tmp_path / "image.nii.gz")
    source = read_volume(tmp_path / "image.nii.gz")
    header = read_nifti_header(tmp_path / "image.nii.gz")
    path = tmp_path / f"labels{suffix}"
    write_label_map(path, np.ones((6, 5, 4), np.uint8), source.geometry, source.path)
    first, second = nibabel.load(source.path), nibabel.load(path)
    np.testing.assert_allclose(header.affines[0], first.affine, atol=1e-4)
    np.testing.assert_allclose(second.affine, first.affine, atol=1e-4)
    np.testing.assert_allclose(second.header.get_qform(), first.header.get_qform(), atol=1e-4)
    if name != "none":
        np.testing.assert_allclose(header.affines[1], read_nifti_header(path).affines[1], atol=1e-4)
    labels = read_volume(path)
    assert labels.difference(source) == ""
    assert (labels.array == 1).all()


def test_what_cannot_place_a_label_map_twice_is_refused(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(ARRAY, FIRST)
    FORMS["both differ"](image)
    nibabel.save(image, tmp_path / "image.nii")
    source = read_volume(tmp_path / "image.nii")
    with pytest.raises(SettingError, match=r"sform and qform.*labels\.mha.*\.nii\.gz"):
        write_label_map(
            tmp_path / "labels.mha", np.ones((6, 5, 4), np.uint8), source.geometry, source.path
        )

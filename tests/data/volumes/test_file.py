"""Volumes and label maps in files, with nibabel as the second reader, and damage ITK overlooks."""

import gzip
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from equipoise.data.volumes.file import read_volume, suffix_of, write_label_map
from equipoise.exceptions import DataError, SettingError
from equipoise.testing.volume_readers import (
    ORIGIN,
    SPACING_MM,
    draw_case,
    plain_geometry,
    write_image,
)

LABELS, IMAGE = draw_case()
TURNED = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0)  # x and y exchanged, z downward


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mha"])
def test_what_was_written_is_read(suffix: str, tmp_path: Path) -> None:
    path = write_image(tmp_path / f"a{suffix}", IMAGE, direction=TURNED)
    file = read_volume(path)
    np.testing.assert_array_equal(file.array, IMAGE)
    assert file.array.dtype == IMAGE.dtype
    assert file.spacing_mm == pytest.approx(SPACING_MM)
    assert file.geometry.origin == pytest.approx(ORIGIN)
    assert file.geometry.direction == pytest.approx(TURNED)
    assert file.geometry.shape == IMAGE.shape


def test_suffixes_in_capitals_are_read(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.nii.gz", IMAGE).rename(tmp_path / "A.NII.GZ")
    np.testing.assert_array_equal(read_volume(path).array, IMAGE)


def test_a_file_of_nibabel_is_read_with_its_axes(tmp_path: Path) -> None:
    """NIfTI counts x to the right and y to the front, ITK to the left and to the back."""
    nibabel.save(nibabel.Nifti1Image(IMAGE.T, np.diag([2.0, 1, 3, 1])), tmp_path / "a.nii.gz")
    file = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(file.array, IMAGE)
    assert list(file.spacing_mm) == [3, 1, 2]
    assert list(file.geometry.direction) == [-1, 0, 0, 0, -1, 0, 0, 0, 1]


@pytest.mark.parametrize("direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), TURNED])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nibabel_opens_a_label_map_where_the_image_lies(
    suffix: str, direction: tuple[float, ...], tmp_path: Path
) -> None:
    source = write_image(tmp_path / "image.nii.gz", IMAGE, direction=direction)
    write_label_map(tmp_path / f"labels{suffix}", LABELS, read_volume(source).geometry)
    image, labels = nibabel.load(source), nibabel.load(tmp_path / f"labels{suffix}")
    np.testing.assert_allclose(labels.affine, image.affine, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(labels.dataobj), LABELS.T)
    assert labels.shape == image.shape
    assert labels.get_data_dtype() == np.uint8
    assert {path.name for path in tmp_path.iterdir()} == {"image.nii.gz", f"labels{suffix}"}


def test_a_label_map_as_metaimage(tmp_path: Path) -> None:
    geometry = read_volume(write_image(tmp_path / "image.mha", IMAGE, direction=TURNED)).geometry
    write_label_map(tmp_path / "labels.mha", LABELS, geometry)
    file = read_volume(tmp_path / "labels.mha")
    assert file.geometry.difference(geometry) == ""
    np.testing.assert_array_equal(file.array, LABELS)


def test_no_text_of_the_source_header_reaches_the_label_map(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(IMAGE.T, np.eye(4))
    image.header["descrip"], image.header["db_name"], image.header["aux_file"] = (
        b"DOE^JANE",
        b"1950-01-01",
        b"MRN7",
    )
    nibabel.save(image, tmp_path / "a.nii")
    write_label_map(tmp_path / "b.nii", LABELS, read_volume(tmp_path / "a.nii").geometry)
    header = nibabel.load(tmp_path / "b.nii").header
    for key in ("descrip", "db_name", "aux_file"):
        assert bytes(header[key].item()) == b""
    assert b"DOE" not in (tmp_path / "b.nii").read_bytes()


def test_label_maps_that_cannot_be_written(tmp_path: Path) -> None:
    geometry = plain_geometry(LABELS.shape)
    with pytest.raises(SettingError, match=r"\.nii\.gz, .*\.mha.*labels\.png"):
        write_label_map(tmp_path / "labels.png", LABELS, geometry)
    with pytest.raises(DataError, match=r"\(6, 8, 10\) .*uint8 of \(5, 8, 10\).*uncropped"):
        write_label_map(tmp_path / "a.nii", LABELS[1:], geometry)
    with pytest.raises(DataError, match="got int64"):
        write_label_map(tmp_path / "a.nii", LABELS.astype(np.int64), geometry)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.nii"
    geometry = read_volume(write_image(path, IMAGE)).geometry
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_label_map(path, LABELS, geometry)
    assert [file.name for file in tmp_path.iterdir()] == ["a.nii"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mha"])
def test_a_label_map_that_a_full_disk_cuts_is_not_written(suffix: str, tmp_path: Path) -> None:
    """ITK itself reports no error for NIfTI, and prints to standard error past Python."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    geometry = plain_geometry(LABELS.shape)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60, limits[1]))
        with pytest.raises(OSError, match=f"whole.*{suffix}"):
            write_label_map(tmp_path / f"a{suffix}", LABELS, geometry)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_skewed_axes_are_refused_with_a_way_out(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 1] = 0.3
    image = nibabel.Nifti1Image(IMAGE.T, None)
    image.set_sform(affine, 2)
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.raises(DataError, match=r"a\.nii .*angles.*set_sform"):
        read_volume(tmp_path / "a.nii")
    path = write_image(tmp_path / "a.mha", IMAGE)
    path.write_bytes(
        path.read_bytes().replace(b"TransformMatrix = 1 0 0 0 1", b"TransformMatrix = 1 0 0 9 1")
    )
    with pytest.raises(DataError, match=r"a.mha .*right angles"):
        read_volume(path)


@pytest.mark.parametrize("shape", [(4, 5, 6, 2), (4, 5)])
def test_other_dimensions_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ones(shape, np.uint8), np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(
        DataError,
        match=rf"3 dimensions .*a.nii.gz, got {len(shape)}: \(4, 5",
    ):
        read_volume(tmp_path / "a.nii.gz")


def test_color_is_refused(tmp_path: Path) -> None:
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    with pytest.raises(DataError, match=r"a.mha, got 3"):
        read_volume(tmp_path / "a.mha")


def test_absent_files_and_other_suffixes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.nii, found none"):
        read_volume(tmp_path / "a.nii")
    with pytest.raises(DataError, match=r"\.nii\.gz, .*\.mha\).*a\.dcm"):
        read_volume(tmp_path / "a.dcm")


def test_suffixes() -> None:
    names = ("a.nii.gz", "a.b.NII", "a.mha", "a.gz", "nii", "a.mhd")
    assert [suffix_of(Path(name)) for name in names] == [".nii.gz", ".nii", ".mha", "", "", ""]


def test_the_real_outside_patient_as_nibabel_reads_it(shared: Path, tmp_path: Path) -> None:
    source = shared / "data/brats_msd_4mod/BRATS_009/BRATS_009_seg.nii.gz"
    reference, file = nibabel.load(source), read_volume(source)
    np.testing.assert_array_equal(file.array, np.asarray(reference.dataobj).T)
    write_label_map(tmp_path / "labels.nii.gz", file.array, file.geometry)
    np.testing.assert_allclose(
        nibabel.load(tmp_path / "labels.nii.gz").affine, reference.affine, atol=1e-5
    )


# ---- damage ----


def write_plain(path: Path, compress: bool = True) -> Path:
    import SimpleITK

    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(IMAGE), str(path), useCompression=compress)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha"])
@pytest.mark.parametrize("n_left", [0, 2, 300, -1])
def test_a_file_that_was_cut_is_refused(name: str, n_left: int, tmp_path: Path) -> None:
    path = write_plain(tmp_path / name)
    read_volume(path)
    path.write_bytes(path.read_bytes()[:n_left])
    with pytest.raises(DataError, match=rf"{name}.*damaged"):
        read_volume(path)


def test_plain_metaimages_that_were_cut_are_refused_by_itk(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.mha", compress=False)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"a.mha.*damaged"):
        read_volume(path)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha"])
def test_a_changed_byte_of_a_compressed_file_is_noticed(name: str, tmp_path: Path) -> None:
    path = write_plain(tmp_path / name)
    content = bytearray(path.read_bytes())
    content[-200] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=name):
        read_volume(path)


def test_a_short_volume_that_was_compressed_whole_is_refused(tmp_path: Path) -> None:
    plain = write_plain(tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(plain[:-100]))
    with pytest.raises(DataError, match=r"expected 960 bytes of voxels, got 860"):
        read_volume(tmp_path / "b.nii.gz")


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders(order: str, tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(IMAGE.T, np.eye(4), nibabel.Nifti1Header(endianness=order))
    nibabel.save(image, tmp_path / "a.nii")
    start = (348).to_bytes(4, "little" if order == "<" else "big")
    assert (tmp_path / "a.nii").read_bytes()[:4] == start
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii").array, IMAGE)
    (tmp_path / "a.nii").write_bytes((tmp_path / "a.nii").read_bytes()[:-1])
    with pytest.raises(DataError, match=r"expected 1920 bytes of voxels, got 1919"):
        read_volume(tmp_path / "a.nii")


def test_nifti_2_is_refused_because_itk_cannot_read_it(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti2Image(IMAGE.T, np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(DataError, match=r"NIfTI-2.* NIfTI-1"):
        read_volume(tmp_path / "a.nii")


def test_a_web_page_is_not_a_volume(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_text("<html>" * 100)
    with pytest.raises(DataError, match=r"a.nii.*NIfTI-1 header"):
        read_volume(tmp_path / "a.nii")
    (tmp_path / "a.nii.gz").write_text("<html>" * 100)
    with pytest.raises(DataError, match=r"a.nii.gz"):
        read_volume(tmp_path / "a.nii.gz")


def test_a_header_that_names_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.raw").write_bytes(IMAGE.tobytes())
    path = write_plain(tmp_path / "a.mha", compress=False)
    header = path.read_bytes().partition(b"LOCAL")[0]
    path.write_bytes(header + b"secret.raw\n")
    with pytest.raises(DataError, match=r"a.mha.*another file"):
        read_volume(path)

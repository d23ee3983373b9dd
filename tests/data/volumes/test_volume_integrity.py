"""Damage that ITK itself reads without an error."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from equipoise.data.volumes.file import check_whole, read_volume
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import draw_case

LABELS, IMAGE = draw_case()


def written(path: Path, compress: bool = True) -> Path:
    import SimpleITK

    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(IMAGE), str(path), useCompression=compress)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha"])
@pytest.mark.parametrize("n_left", [0, 2, 300, -1])
def test_a_file_that_was_cut_is_refused(name: str, n_left: int, tmp_path: Path) -> None:
    path = written(tmp_path / name)
    check_whole(path)
    path.write_bytes(path.read_bytes()[:n_left])
    with pytest.raises(
        DataError, match=rf"Cannot read the volume .*{name}, is it damaged\? .* Copy it again"
    ):
        read_volume(path)


def test_plain_metaimages_that_were_cut_are_refused_by_itk(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mha", compress=False)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"a.mha, is it damaged"):
        read_volume(path)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha"])
def test_a_changed_byte_of_a_compressed_file_is_noticed(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / name)
    content = bytearray(path.read_bytes())
    content[-200] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=name):
        read_volume(path)


def test_a_short_volume_that_was_compressed_whole_is_refused(tmp_path: Path) -> None:
    plain = written(tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(plain[:-100]))
    with pytest.raises(DataError, match=f"expected {len(plain)} bytes, got {len(plain) - 100}"):
        check_whole(tmp_path / "b.nii.gz")


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders(order: str, tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(IMAGE.T, np.eye(4), nibabel.Nifti1Header(endianness=order))
    nibabel.save(image, tmp_path / "a.nii")
    assert (tmp_path / "a.nii").read_bytes()[:4] == (348).to_bytes(
        4, "little" if order == "<" else "big"
    )
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii").array, IMAGE)
    (tmp_path / "a.nii").write_bytes((tmp_path / "a.nii").read_bytes()[:-1])
    with pytest.raises(DataError, match=r"expected .* bytes, got"):
        check_whole(tmp_path / "a.nii")


def test_nifti_2_is_refused_because_itk_cannot_read_it(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti2Image(IMAGE.T, np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(DataError, match=r"NIfTI-2 files must be saved as NIfTI-1"):
        read_volume(tmp_path / "a.nii")


def test_a_web_page_is_no_volume(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_text("<html>" * 100)
    with pytest.raises(DataError, match=r"a.nii.*no NIfTI-1 header"):
        check_whole(tmp_path / "a.nii")
    (tmp_path / "a.nii.gz").write_text("<html>" * 100)
    with pytest.raises(DataError, match=r"a.nii.gz"):
        check_whole(tmp_path / "a.nii.gz")


def test_a_header_that_names_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.raw").write_bytes(IMAGE.tobytes())
    path = written(tmp_path / "a.mha", compress=False)
    header = path.read_bytes().partition(b"LOCAL")[0]
    path.write_bytes(header + b"secret.raw\n")
    with pytest.raises(DataError, match=r"a.mha, its header names another file"):
        read_volume(path)

"""The files of a case, checked against each other."""

import hashlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from equipoise.data.volumes.case_files import file_digest, hash_files, read_files
from equipoise.data.volumes.readers.nifti import find_case
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import draw_case, write_case, write_image

LABELS, IMAGE = draw_case()
MODALITIES = ("FLAIR", "T1c")


def test_files_are_read_in_the_order_of_the_modalities(tmp_path: Path) -> None:
    files = read_files(find_case(write_case(tmp_path / "p1")), ("T1c", "FLAIR"))
    np.testing.assert_array_equal(files.images[0].array, 2 * IMAGE)
    np.testing.assert_array_equal(files.images[1].array, IMAGE)
    assert files.labels is not None
    np.testing.assert_array_equal(files.labels.array, LABELS)
    assert files.mask is None


def test_a_missing_modality_names_the_case_and_what_it_has(tmp_path: Path) -> None:
    case = find_case(write_case(tmp_path / "p1"))
    with pytest.raises(DataError, match=r"p1 .*no T1 and no T2.* FLAIR, T1c\."):
        read_files(case, ("T1", "FLAIR", "T2"))


@pytest.mark.parametrize(
    ("array", "geometry", "values"),
    [
        (IMAGE[:-1], {}, r"shape \(z, y, x\) \(6, 8, 10\) and \(5, 8, 10\)"),
        (IMAGE, {"spacing_mm": (3, 1.5, 2)}, r"spacing_mm \(3.0, 1.0, 2.0\) and \(3.0, 1.5, 2.0\)"),
        (IMAGE, {"origin": (0, -7, 11)}, r"origin \(5.0, -7.0, 11.0\) and \(0.0, -7.0, 11.0\)"),
        (IMAGE, {"direction": (-1, 0, 0, 0, 1, 0, 0, 0, 1)}, r"direction \(1.0.*\) and \(-1.0.*\)"),
    ],
)
@pytest.mark.parametrize("name", ["t1ce", "seg", "brainmask"])
def test_files_of_other_geometry_are_named_with_both_values(
    name: str, array: Any, geometry: dict[str, Any], values: str, tmp_path: Path
) -> None:
    folder = write_case(tmp_path / "p1")
    write_image(folder / f"{name}.nii.gz", array, **geometry)
    with pytest.raises(DataError, match=rf"p1: .*{values}.*flair\.nii\.gz.*{name}\.nii\.gz"):
        read_files(find_case(folder), MODALITIES)


@pytest.mark.parametrize("bad", [np.nan, -np.inf, np.finfo(np.float32).min, 1e31])
@pytest.mark.parametrize("suffix", [".mha", ".nii.gz"])
def test_a_value_that_is_no_number_is_refused(suffix: str, bad: float, tmp_path: Path) -> None:
    """The NIfTI library itself reads NaN as 0, which is the background."""
    folder = write_case(tmp_path / "p1", suffix=suffix)
    broken = IMAGE.astype(np.float32)
    broken[0, :3, 0] = bad
    write_image(folder / f"flair{suffix}", broken)
    with pytest.raises(DataError, match=rf"p1/flair{suffix}, got NaN.* in 3\."):
        read_files(find_case(folder), MODALITIES)


def test_a_case_whose_files_lie_elsewhere_in_some_viewers_is_refused(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "p1")
    label = nibabel.load(folder / "seg.nii.gz")
    label.set_sform(np.diag([2.0, 1, 3, 1]), 2)  # ITK follows the qform, nibabel this one
    nibabel.save(label, folder / "seg.nii.gz")
    with pytest.raises(DataError, match=r"p1: .*sform .*flair.nii.gz and seg.nii.gz"):
        read_files(find_case(folder), MODALITIES)


def test_hashes_are_those_of_the_bytes(tmp_path: Path) -> None:
    folder = write_case(tmp_path / "p1")
    hashes = hash_files(find_case(folder), ("FLAIR",))
    assert hashes.keys() == {"FLAIR", "label"}
    assert hashes["FLAIR"] == hashlib.sha256((folder / "flair.nii.gz").read_bytes()).hexdigest()
    with pytest.raises(DataError, match=r"absent\.nii: No such"):
        file_digest(folder / "absent.nii")

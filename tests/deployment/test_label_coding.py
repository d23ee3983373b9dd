"""Label files of another coding than the run's: refused where it shows, said where it may be."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from equipoise.data.volumes.labels import LABEL_SCHEMES, plain
from equipoise.data.volumes.options import RawCase
from equipoise.deployment.label_coding import find_coding, healthy_border
from equipoise.exceptions import DataError


def onion(tmp_path: Path, *values: int) -> RawCase:
    """A tumor of shells, the last value outermost."""
    x, y, z = np.indices((21, 21, 21)) - 10
    depth = np.maximum(np.maximum(abs(x), abs(y)), abs(z))  # 0 at the center
    labels = np.zeros(depth.shape, dtype=np.uint8)
    for shell, value in enumerate(values):
        labels[(depth >= 2 * shell) & (depth < 2 * shell + 2)] = value
    path = tmp_path / "case_seg.nii.gz"
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), path)
    return RawCase(id="case", images={}, label_file=path)


REFUSED = {  # scheme of the run, values from the inside out, what the message names
    "a value that the run lacks": ("brats2017", (1, 3, 2), ("msd_brain or brats2023", "brats2013")),
    "no scheme has it": ("brats2013", (1, 3, 7), ("No label scheme",)),
    "Decathlon under 2013": ("brats2013", (2, 3, 1), ("msd_brain", "--labels")),
    "2023 under 2013": ("brats2013", (1, 3, 2), ("brats2023", "--labels")),
    "2023 under the Decathlon": ("msd_brain", (1, 3, 2), ("brats2023 or msd_brain", "edema")),
    "Decathlon under 2023": ("brats2023", (2, 3, 1), ("msd_brain or brats2023", "edema")),
    "Decathlon without enhancing tumor under 2017": ("brats2017", (2, 1), ("msd_brain", "edema")),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_another_coding_is_refused(kind: str, tmp_path: Path) -> None:
    scheme, values, words = REFUSED[kind]
    with pytest.raises(DataError, match=f"'{scheme}'") as error:
        find_coding(onion(tmp_path, *values), LABEL_SCHEMES[scheme])
    for word in words:
        assert word in str(error.value)


ACCEPTED: dict[str, tuple[str, tuple[int, ...], tuple[str, ...]]] = {  # and the rivals to name
    "2013": ("brats2013", (1, 3, 4, 2), ()),
    "2013 without non-enhancing: the same regions as 2017": ("brats2013", (1, 4, 2), ()),
    "2017": ("brats2017", (1, 4, 2), ()),
    "2023": ("brats2023", (1, 3, 2), ("brats2013", "msd_brain")),
    "Decathlon": ("msd_brain", (2, 3, 1), ("brats2013", "brats2023")),
    "one class": ("brats2017", (1,), ("msd_brain",)),
    "no tumor": ("brats2013", (), ()),
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_a_coding_that_fits_is_accepted_with_its_rivals(kind: str, tmp_path: Path) -> None:
    scheme, values, rivals = ACCEPTED[kind]
    coding = find_coding(onion(tmp_path, *values), LABEL_SCHEMES[scheme])
    assert coding.scheme is LABEL_SCHEMES[scheme]
    assert set(coding.rivals) == set(rivals)


def test_plain_values_have_no_rivals(tmp_path: Path) -> None:
    scheme = plain([0, 1, 2, 3])
    assert find_coding(onion(tmp_path, 1, 2), scheme).rivals == ()
    with pytest.raises(DataError, match="'plain'"):
        find_coding(onion(tmp_path, 1, 5), scheme)


def test_a_case_needs_a_label_file() -> None:
    with pytest.raises(DataError, match="case x, found none"):
        find_coding(RawCase(id="x", images={}, label_file=None), LABEL_SCHEMES["brats2013"])


def test_the_border_of_a_voxel_has_six_faces() -> None:
    labels = np.zeros((5, 5, 5), dtype=np.uint8)
    labels[2, 2, 2] = 3
    assert healthy_border(labels)[3] == 6
    labels[2, 2, 3] = 1  # one face less for either
    assert healthy_border(labels)[[1, 3]].tolist() == [5, 5]

"""Tables of cases."""

from pathlib import Path

import pytest

from equipoise.data.volumes.options import VolumeOptions
from equipoise.data.volumes.readers.table import read
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import draw_case, write_case, write_image

GOOD = (
    "case,patient,flair,T1-Gd,label,mask,split,age\n"
    "x1,jane,a/flair.nii.gz,a/t1ce.nii.gz,a/seg.nii.gz,a/brain.nii.gz,train,63\n"
    "x2,jane,b/flair.nii.gz,b/t1ce.nii.gz,b/seg.nii.gz,,val,64\n"
    "x3,joe,c/flair.nii.gz,c/t1ce.nii.gz,c/seg.nii.gz,,test,65\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, case in enumerate("abc"):
        write_case(tmp_path / "brains" / case, seed=seed)
    write_image(tmp_path / "brains/a/brain.nii.gz", draw_case(0)[1] // 100)
    write_image(tmp_path / "secret.nii.gz", draw_case(0)[1])
    return tmp_path / "brains"


def table(root: Path, text: str = GOOD) -> Path:
    path = root / "t.csv"
    path.write_text(text)
    return path


def options(root: Path, **others: str) -> VolumeOptions:
    return VolumeOptions(cache=root.parent / "cache", **others)  # type: ignore[arg-type]


def test_columns_are_found_by_name(root: Path) -> None:
    loaded = read(table(root), options(root))
    dataset = loaded.dataset
    assert dataset.ids.tolist() == ["x1", "x2", "x3"]
    assert dataset.groups.tolist() == [0, 0, 1]
    assert dataset.modalities == ("FLAIR", "T1c")
    assert loaded.source_split is not None
    assert loaded.source_split.tolist() == ["train", "validation", "test"]
    assert "Columns of t.csv left out, not files of volumes: age." in loaded.notes
    assert "jane" not in repr(loaded)
    assert dataset.volumes[0].facts["sha256"].keys() == {"FLAIR", "T1c", "label", "mask"}


def test_columns_may_be_named_and_the_table_may_lie_elsewhere(root: Path) -> None:
    text = (
        GOOD.replace("case,patient", "scan,who")
        .replace("label,mask,split", "truth,brain,part")
        .replace("/", "\\")
    )
    named = {"case_column": "scan", "patient_column": "who", "label_column": "truth"}
    asked = options(
        root, **named, mask_column="brain", split_column="part", table=str(table(root.parent, text))
    )
    loaded = read(root, asked)
    assert loaded.dataset.groups.tolist() == [0, 0, 1]
    assert loaded.dataset.fingerprint == read(table(root), options(root)).dataset.fingerprint


def test_patients_and_split_may_be_absent(root: Path) -> None:
    text = "case,flair,label\nx1,a/flair.nii.gz,a/seg.nii.gz\nx2,b/flair.nii.gz,b/seg.nii.gz\n"
    loaded = read(table(root, text), options(root))
    assert loaded.source_split is None
    assert loaded.dataset.groups.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (GOOD, "case,label\n", "one line per case in .*t.csv, found only a header"),
        (
            "case,",
            "scan,",
            r"Expected a column 'case' in .*t.csv, got the columns scan, patient.*case_column",
        ),
        (",label,", ",truth,", r"Expected a column 'label' .*label_column"),
        ("x2,jane", ",jane", "has 1 lines without a case"),
        ("x2,", "x1,", "names cases twice: x1"),
        ("x2,jane", "x2,", "names no patient for some cases: x2"),
        (",val,", ",holdout,", "splits that are not known: holdout. Use train, training"),
        ("b/flair", "../secret", r"case x2: ../secret.nii.gz leaves the folder"),
        ("b/flair", "/etc/flair", r"case x2: /etc/flair.nii.gz leaves the folder"),
        ("b/flair", "b/none", r"case x2: .* has no file b/none.nii.gz\. Correct"),
        ("T1-Gd", "t2_flair", "the columns flair and t2_flair are the same modality"),
        (",b/seg.nii.gz", ",", r"a label file in every case, found none in x2"),
        ("x2,jane", '"x2', "CSV table in UTF-8"),
    ],
)
def test_bad_tables_are_named(old: str, new: str, message: str, root: Path) -> None:
    assert old in GOOD
    with pytest.raises(DataError, match=message):
        read(table(root, GOOD.replace(old, new, 1)), options(root))


def test_a_named_column_that_is_absent_is_refused(root: Path) -> None:
    with pytest.raises(
        DataError, match=r"t.csv: No column named 'patiant'. Did you mean 'patient'\?"
    ):
        read(table(root), options(root, patient_column="patiant"))


def test_a_link_out_of_the_folder_is_refused(root: Path) -> None:
    (root / "b/flair.nii.gz").unlink()
    (root / "b/flair.nii.gz").symlink_to(root.parent / "secret.nii.gz")
    with pytest.raises(DataError, match=r"case x2: b/flair.nii.gz leaves the folder"):
        read(table(root), options(root))

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


def options(root: Path, **settings: str) -> VolumeOptions:
    return VolumeOptions(cache=root.parent / "cache", **settings)  # type: ignore[arg-type]


def test_columns_are_found_by_name(root: Path) -> None:
    loaded = read(table(root), options(root))
    dataset = loaded.dataset
    assert dataset.ids.tolist() == ["x1", "x2", "x3"]
    assert dataset.groups.tolist() == [0, 0, 1]
    assert dataset.modalities == ("FLAIR", "T1c")
    assert loaded.source_split is not None
    assert loaded.source_split.tolist() == ["train", "validation", "test"]
    assert any("t.csv" in note and "age" in note for note in loaded.notes)
    assert "jane" not in repr(loaded)
    assert dataset.volumes[0].record.sha256.keys() == {"FLAIR", "T1c", "label", "mask"}


def test_columns_may_be_named_and_the_table_may_lie_elsewhere(root: Path) -> None:
    text = (
        GOOD.replace("case,patient", "scan,who")
        .replace("label,mask,split", "truth,brain,part")
        .replace("/", "\\")
    )
    named = {"case_column": "scan", "patient_column": "who", "label_column": "truth"}
    named_options = options(
        root, **named, mask_column="brain", split_column="part", table=str(table(root.parent, text))
    )
    loaded = read(root, named_options)
    assert loaded.dataset.groups.tolist() == [0, 0, 1]
    assert loaded.dataset.fingerprint == read(table(root), options(root)).dataset.fingerprint


def test_patients_and_split_may_be_absent(root: Path) -> None:
    text = "case,flair,label\nx1,a/flair.nii.gz,a/seg.nii.gz\nx2,b/flair.nii.gz,b/seg.nii.gz\n"
    loaded = read(table(root, text), options(root))
    assert loaded.source_split is None
    assert loaded.dataset.groups.tolist() == [0, 1]


@pytest.mark.parametrize("header", ["Patient ID", "subject_id", "participantId", "study uid"])
def test_columns_of_patients_are_found_by_meaning(header: str, root: Path) -> None:
    dataset = read(table(root, GOOD.replace("patient", header)), options(root)).dataset
    assert dataset.groups.tolist() == [0, 0, 1]


def test_all_faults_of_the_cases_are_in_one_error(root: Path) -> None:
    text = GOOD.replace("x2,jane", "x1,").replace(",test,", ",vault,").replace("x3,joe", ",joe")
    with pytest.raises(DataError, match=r"4 faults:\n.*line 4.*\n.*x1.*\n.*line 3.*\n.*vault"):
        read(table(root, text), options(root))


def test_a_column_that_may_be_of_patients_is_asked_about(root: Path) -> None:
    lines = ["case,flair,label,anon_code"]
    for i, code in enumerate("aabbcc"):
        lines.append(f"x{i},a/flair.nii.gz,a/seg.nii.gz,{code}")
    path = table(root, "\n".join(lines))
    with pytest.raises(DataError, match=r"anon_code may name them.*patient_column='none'"):
        read(path, options(root))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (GOOD, "case,label\n", "t.csv.*only a header"),
        (
            "case,",
            "scan,",
            r"case.*t.csv.* scan, patient.*case_column",
        ),
        (",label,", ",truth,", r"label.*label_column"),
        ("x2,jane", ",jane", r"t.csv: no case in line 3\."),
        ("x2,", "x1,", "twice: x1"),
        ("x2,jane", "x2,", "patient.*: x2"),
        (",val,", ",vault,", r"vault\..* train, training"),
        ("b/flair", "../secret", r"case x2: ../secret.nii.gz leaves the folder"),
        ("b/flair", "/etc/flair", r"case x2: /etc/flair.nii.gz leaves the folder"),
        ("b/flair", "b/none", r"case x2: .* b/none.nii.gz"),
        ("T1-Gd", "t2_flair", "flair and t2_flair .*modality"),
        (",b/seg.nii.gz", ",", r"label file.* x2"),
        ("x2,jane", '"x2', "t.csv.*UTF-8"),
    ],
)
def test_bad_tables_are_named(old: str, new: str, message: str, root: Path) -> None:
    assert old in GOOD
    with pytest.raises(DataError, match=message):
        read(table(root, GOOD.replace(old, new, 1)), options(root))


def test_a_named_column_that_is_absent_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"t.csv: .*'patiant'.*'patient'"):
        read(table(root), options(root, patient_column="patiant"))


def test_a_link_out_of_the_folder_is_refused(root: Path) -> None:
    (root / "b/flair.nii.gz").unlink()
    (root / "b/flair.nii.gz").symlink_to(root.parent / "secret.nii.gz")
    with pytest.raises(DataError, match=r"x2: b/flair\.nii\.gz leaves"):
        read(table(root), options(root))

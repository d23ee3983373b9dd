"""Columns of a table of images, by their names and values."""

from pathlib import Path

import pytest

from equipoise.data.csv_table import Table, read_table
from equipoise.data.images.options import ReadOptions
from equipoise.data.images.table_columns import (
    columns_note,
    find_image_columns,
    join_flags,
    label_hint,
    tables_like_it_note,
)
from equipoise.exceptions import DataError


def table(folder: Path, text: str, name: str = "t.csv") -> Table:
    (folder / name).write_text(text)
    return read_table(folder / name)


@pytest.mark.parametrize(
    ("header", "path", "label", "split"),
    [
        ("file,label", "file", "label", None),
        ("Image Index,Finding Labels,Patient ID", "Image Index", "Finding Labels", None),
        ("image_id,dx,dx_type,lesion_id", "image_id", "dx", None),
        ("id_code,diagnosis,Usage", "id_code", "diagnosis", "Usage"),
        ("Path,Class,Data Split", "Path", "Class", "Data Split"),
    ],
)
def test_usual_columns_are_found(
    header: str, path: str, label: str, split: str | None, tmp_path: Path
) -> None:
    columns = find_image_columns(table(tmp_path, f"{header}\n"), ReadOptions())
    assert (columns["path"], columns["label"], columns["split"]) == (path, label, split)


def test_unused_columns_and_what_may_be_a_split_are_named(tmp_path: Path) -> None:
    short = table(tmp_path, "file,label,age,is_test\n")
    columns = find_image_columns(short, ReadOptions())
    note = columns_note(short, {**columns, "group": None})
    assert "not used: age, is_test" in note
    assert "--split-column" in note


def test_tables_with_the_same_columns_are_named_but_for_submissions(tmp_path: Path) -> None:
    for name in ("b.csv", "sample_submission.csv"):
        table(tmp_path, "file,label\n1,a\n", name)
    table(tmp_path, "file,age\n1,3\n", "ages.csv")
    (note,) = tables_like_it_note(table(tmp_path, "file,label\n2,a\n"))
    assert "“b.csv”. " in note
    (tmp_path / "b.csv").unlink()
    assert tables_like_it_note(table(tmp_path, "file,label\n2,a\n")) == []


def test_a_column_for_each_class_becomes_a_column_of_labels(tmp_path: Path) -> None:
    hot = table(tmp_path, "image,MEL,NV,age\n1,1.0,0.0,3\n2,0.0,1.0,4\n3,0.0,1.0,5\n")
    joined, (note,) = join_flags(hot, ReadOptions())
    assert joined.cells("label") == ["MEL", "NV", "NV"]
    assert "MEL, NV" in note
    assert join_flags(hot, ReadOptions(label_column="NV")) == (hot, [])
    split = table(tmp_path, "image,hemorrhage,normal,is_test\n1,1,0,1\n2,0,1,1\n3,0,1,0\n")
    assert join_flags(split, ReadOptions())[0].cells("label") == ["hemorrhage", "normal", "normal"]


@pytest.mark.parametrize(
    "text",
    [
        "image,MEL,NV\n1,1,0\n2,0,0\n",  # none in a line
        "image,MEL,NV\n1,1,0\n2,1,1\n",  # two in a line
        "image,MEL,label\n1,1,0\n2,0,1\n",  # a column of labels
        "image,MEL\n1,1\n2,1\n",  # a single column
        "image,is_train,is_test\n1,1,0\n2,0,1\n",  # a split
        "image,male,female\n1,1,0\n2,0,1\n",
    ],
)
def test_other_flags_are_no_labels(text: str, tmp_path: Path) -> None:
    flags = table(tmp_path, text)
    assert join_flags(flags, ReadOptions()) == (flags, [])


def test_a_column_that_may_be_the_labels_is_named(tmp_path: Path) -> None:
    rows = [f"{i},{'yes' if i % 3 else 'no'},P{i // 2},{'MF'[i % 2]},{i}" for i in range(12)]
    text = "\n".join(["path,covid,patient,sex,weight", *rows])
    hint = label_hint(table(tmp_path, text))
    assert "'covid' (2 values, --label-column covid)" in hint
    assert not any(column in hint for column in ("patient", "sex", "weight"))
    with pytest.raises(DataError, match="--label-column covid"):
        find_image_columns(table(tmp_path, text), ReadOptions())


def test_further_columns_of_labels_are_named(tmp_path: Path) -> None:
    described = table(tmp_path, "file,label,diagnosis,grade\n1.png,a,b,1")
    note = columns_note(described, find_image_columns(described, ReadOptions()))
    assert "may also be in 'diagnosis', 'grade'" in note


def test_empty_and_negative_flags_are_counted_where_they_are_suggested(tmp_path: Path) -> None:
    flags = table(tmp_path, "path,edema,mass\n1.png,1.0,\n2.png,-1.0,\n3.png,,1.0\n4.png,0,1.0")
    with pytest.raises(DataError, match=r"edema \(2 of 4\), mass \(2 of 4\)"):
        find_image_columns(flags, ReadOptions())

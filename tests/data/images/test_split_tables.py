"""Tables called like the parts of a split are read as one."""

from pathlib import Path

import pytest
from PIL import Image

from equipoise.data.csv_table import read_table
from equipoise.data.images.options import ReadOptions
from equipoise.data.images.readers.folder import list_files as list_folder
from equipoise.data.images.readers.table import list_files
from equipoise.data.images.split_tables import join_parts, parts_of_split, pattern_and_part
from equipoise.exceptions import DataError


def write_parts(root: Path, **texts: str) -> Path:
    """Write tables of one part each, and images; return the first table."""
    (root / "img").mkdir(parents=True)
    for i, (name, text) in enumerate(texts.items()):
        lines = ["file,label,patient"]
        for label in ("ill", "well"):
            for k in range(2):
                file = f"img/{name}_{label}{k}.png"
                Image.new("L", (8, 8), 10 * i + k).save(root / file)
                lines.append(f"{file},{label},p{i}")
        (root / f"{name}.csv").write_text("\n".join((*lines, *text.split())) + "\n")
    return root / f"{next(iter(texts))}.csv"


@pytest.mark.parametrize("name", ["train", "test"])
def test_parts_are_one_table_with_a_split(name: str, tmp_path: Path) -> None:
    write_parts(tmp_path, train="", val="", test="")
    listing = list_files(tmp_path / f"{name}.csv", ReadOptions())
    assert listing.splits is not None
    assert dict(zip(listing.files, listing.splits, strict=True)) == {
        f"img/{part}_{label}{k}.png": split
        for part, split in (("train", "train"), ("val", "validation"), ("test", "test"))
        for label in ("ill", "well")
        for k in range(2)
    }
    assert listing.groups.max() == 2
    (note,) = [note for note in listing.notes if "train.csv" in note and "val.csv" in note]
    assert "--ignore" in note


def test_a_part_may_be_left_out_and_the_split_too(tmp_path: Path) -> None:
    path = write_parts(tmp_path, train="", test="")
    alone = list_files(path, ReadOptions(ignore=("test.csv",)))
    assert len(alone.files) == 4
    assert alone.splits is None
    joined = list_files(path, ReadOptions(split_column="none"))
    assert len(joined.files) == 8
    assert joined.splits is None


def test_faults_name_the_table(tmp_path: Path) -> None:
    path = write_parts(tmp_path, train="", test="img/none.png,ill,p9 a,b")
    with pytest.raises(DataError, match=r"test\.csv line 6 \(img/none\.png\)") as refused:
        list_files(path, ReadOptions())
    assert "test.csv: expected 3 fields" in str(refused.value)


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("train.csv", "valid.csv", "other.csv"), ["train", "validation"]),
        (("Train-labels.tsv", "test_labels.csv", "test.csv"), ["train", "test"]),
        (("fold1_train.csv", "fold1_val.csv", "fold2_train.csv"), ["train", "validation"]),
        (("train.csv",), []),
        (("train.csv", "._train.csv", "._test.csv"), []),
        (("train.csv", "test.csv", "._test.csv"), ["train", "test"]),
        (("val.csv", "test.csv"), []),
        (("train_a.csv", "test_b.csv"), []),
        (("labels.csv", "test.csv", "train.csv"), []),
    ],
)
def test_names_decide_what_belongs_together(
    names: tuple[str, ...], parts: list[str], tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert sorted(parts_of_split(tmp_path / names[0]).values()) == sorted(parts)


def test_other_columns_or_an_own_split_are_not_joined(tmp_path: Path) -> None:
    path = write_parts(tmp_path, train="", test="")
    (tmp_path / "test.csv").write_text("file\nimg/test_ill0.png\n")
    assert join_parts(read_table(path), tmp_path) == (read_table(path), [])
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("file,label,set\nimg/train_ill0.png,ill,test\n")
    assert join_parts(read_table(path), tmp_path) == (read_table(path), [])
    for name, text in (("test", "file,label\nimg/test_ill0.png,ill\n"), ("train", "file,label\n")):
        (tmp_path / f"{name}.csv").write_text(text)  # nothing to train on
        assert join_parts(read_table(path), tmp_path) == (read_table(path), [])
    path.write_text("file,label,age\nimg/train_ill0.png,ill,3\n")
    for name in ("val", "test"):
        (tmp_path / f"{name}.csv").write_text("file,label\nimg/test_ill0.png,ill\n")
    assert join_parts(read_table(tmp_path / "test.csv"), tmp_path)[1] == []
    assert pattern_and_part("TrainLabels") == ("*_labels", "train")


def test_a_folder_without_classes_names_the_table_first(tmp_path: Path) -> None:
    write_parts(tmp_path, train="", val="", test="")
    (tmp_path / "sample_submission.csv").write_text("file,label\nimg/test_ill0.png,ill\n")
    with pytest.raises(DataError) as refused:
        list_folder(tmp_path, ReadOptions())
    first, table, folders = str(refused.value).splitlines()
    assert "in a table" in first
    assert "“val.csv”" in table
    assert f"--table {tmp_path}/test.csv" in table
    assert "As class folders:" in folders
    assert "submission" not in str(refused.value)


def test_tables_in_the_folders_of_the_parts_are_joined_below_the_folder(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        for name in ("ill0", "ill1", "well0", "well1"):
            Image.new("L", (8, 8)).save(tmp_path / part / f"{part}_{name}.png")
        lines = [f"{part}_{name}.png,{name[:-1]}" for name in ("ill0", "ill1", "well0", "well1")]
        (tmp_path / part / "labels.csv").write_text("\n".join(("file,label", *lines)))
    table = tmp_path / "test" / "labels.csv"
    listing = list_files(tmp_path, ReadOptions(table=table))
    assert listing.splits is not None
    assert listing.splits.tolist() == ["test"] * 4 + ["train"] * 4
    options = ReadOptions(table=table, ignore=("train/labels.csv",))
    assert len(list_files(tmp_path, options).files) == 4
    assert len(list_files(table, ReadOptions()).files) == 4  # the others are not below it
    with pytest.raises(DataError, match=r"“test/labels\.csv”, “train/labels\.csv”"):
        list_folder(tmp_path, ReadOptions())

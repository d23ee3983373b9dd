"""A CSV table of paths, labels, patients and splits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.data.images.listing import NO_PATIENTS
from equipoise.data.images.options import ReadOptions
from equipoise.data.images.readers import folder
from equipoise.data.images.readers.table import read, recognizes
from equipoise.exceptions import DataError

OPTIONS = ReadOptions(cache="off", size=8)
GOOD = """file,label,patient,split
a/0.png,ill,p1,train
a/1.png,ill,p2,test
a/2.png,well,p1,train
a/3.png,well,p3,
"""


def images(root: Path, n: int = 4) -> Path:
    (root / "a").mkdir(parents=True)
    for i in range(n):
        Image.fromarray(np.full((8, 8), 10 * i, dtype=np.uint8) + np.eye(8, dtype=np.uint8)).save(
            root / f"a/{i}.png"
        )
    return root


def table(root: Path, text: str = GOOD, encoding: str = "utf-8") -> Path:
    path = root / "t.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    loaded = read(table(images(tmp_path)), OPTIONS)
    dataset = loaded.dataset
    assert dataset.ids.tolist() == ["a/0.png", "a/1.png", "a/2.png", "a/3.png"]
    assert dataset.class_names == ("ill", "well")
    assert dataset.labels.tolist() == [0, 0, 1, 1]
    assert dataset.groups.tolist() == [0, 1, 0, 2]
    assert loaded.source_split is not None
    assert loaded.source_split.tolist() == ["train", "test", "train", ""]
    assert loaded.notes == ()


def test_the_table_may_lie_elsewhere(tmp_path: Path) -> None:
    root = images(tmp_path / "films")
    options = ReadOptions(cache="off", table=table(tmp_path))
    assert recognizes(root, options)
    assert len(read(root, options).dataset) == 4


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_and_byte_order_marks_are_understood(
    separator: str, encoding: str, tmp_path: Path
) -> None:
    path = table(images(tmp_path), GOOD.replace(",", separator).replace("file", "File"), encoding)
    assert len(read(path, OPTIONS).dataset) == 4


def test_backslashes_are_understood(tmp_path: Path) -> None:
    assert (
        read(table(images(tmp_path), GOOD.replace("/", "\\")), OPTIONS).dataset.ids[0] == "a/0.png"
    )


def test_columns_may_be_named(tmp_path: Path) -> None:
    text = GOOD.replace("file,label,patient,split", "where,what,who,part")
    options = ReadOptions(
        cache="off",
        path_column="where",
        label_column="what",
        group_column="who",
        split_column="part",
    )
    loaded = read(table(images(tmp_path), text), options)
    assert loaded.dataset.groups.tolist() == [0, 1, 0, 2]
    assert loaded.source_split is not None


def test_groups_has_priority_over_a_column_of_patients(tmp_path: Path) -> None:
    loaded = read(table(images(tmp_path)), ReadOptions(cache="off", groups=r"\d"))
    assert loaded.dataset.groups.tolist() == [0, 1, 2, 3]


def test_an_empty_column_counts_as_absent(tmp_path: Path) -> None:
    text = "file,label,patient,split\na/0.png,a,,\na/1.png,b,,\na/2.png,a,,\na/3.png,b,,\n"
    loaded = read(table(images(tmp_path), text), OPTIONS)
    assert loaded.source_split is None
    assert loaded.dataset.groups.tolist() == [0, 1, 2, 3]
    assert loaded.notes == (NO_PATIENTS,)


def with_line(number: int, line: str) -> str:
    lines = GOOD.splitlines()
    lines[number] = line
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "path.*t.csv.*none"),
        ("file,label\n", "only a header"),
        (GOOD.replace("label", "sign"), r"label.* file, sign.*--label-column"),
        (GOOD.replace("file", "scan"), r"path.*--path-column"),
        (with_line(2, "a/1.png,,p2,test"), r"t.csv.*'label': line 3 \(a/1"),
        (with_line(2, ",ill,p2,test"), r"'file': line 3 \(no path\)"),
        (with_line(2, "a/1.png,ill,,test"), r"without a patient.*line 3"),
        (with_line(2, "a/1.png,ill,p2,holdout"), r"'holdout'.*: line 3 .* train,"),
        (with_line(2, "a/nowhere.png,ill,p2,test"), r"line 3 \(a/nowhere.png\)"),
        (with_line(2, "a,ill,p2,test"), r"line 3 \(a\)"),
        (with_line(2, "a/../a/0.png,ill,p2,test"), r"twice: line 2 .*line 3"),
        (with_line(2, "../secret.png,ill,p2,test"), r"leave .*films: line 3 \(../secret.png\)"),
        (with_line(2, "/etc/passwd,ill,p2,test"), r"leave .*films: line 3"),
        (with_line(2, 'a/1.png,"ill,p2,test'), "t.csv.*UTF-8.*unexpected end of data"),
        (GOOD.replace("well", "ill"), "2 classes.* 1: ill"),
        (
            GOOD.replace("p1,train\na/3.png,well,p3,", "p1,test\na/3.png,well,p3,test"),
            "split.* of well",
        ),
    ],
)
def test_bad_tables_are_named_with_their_lines(text: str, message: str, tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "secret.png")
    with pytest.raises(DataError, match=message):
        read(table(images(tmp_path / "films"), text), OPTIONS)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "secret.png")
    root = images(tmp_path / "films")
    (root / "a/1.png").unlink()
    (root / "a/1.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"folder.*: line 3 \(a/1\.png\)"):
        read(table(root), OPTIONS)


def test_a_named_column_that_is_absent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"t.csv: .*'patiant'.*'patient'.* file",
    ):
        read(table(images(tmp_path)), ReadOptions(group_column="patiant"))


def test_a_table_that_is_an_image_is_refused(tmp_path: Path) -> None:
    root = images(tmp_path)
    with pytest.raises(DataError, match=r"0\.png.*UTF-8"):
        read(root, ReadOptions(table=root / "a/0.png"))


def test_an_absent_table_or_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"CSV.*absent\.csv"):
        read(tmp_path, ReadOptions(table=tmp_path / "absent.csv"))
    with pytest.raises(DataError, match=r"folder .*nowhere"):
        read(tmp_path / "nowhere", ReadOptions(table=table(tmp_path)))


def test_covid_by_table_and_by_folder_is_the_same(shared: Path) -> None:
    root = shared / "data" / "covid_xray"
    by_table = read(root / "manifest.csv", OPTIONS).dataset
    by_folder = folder.read(root, OPTIONS).dataset
    np.testing.assert_array_equal(by_table.images, by_folder.images)
    assert by_table.ids.tolist() == by_folder.ids.tolist()
    assert by_table.counts.tolist() == by_folder.counts.tolist() == [124, 500, 500]
    assert len(np.unique(by_table.groups)) == 764


@pytest.mark.slow
def test_herlev_is_read_with_two_or_seven_classes(shared: Path) -> None:
    path = shared / "data" / "herlev_papsmear" / "manifest.csv"
    seven = read(path, OPTIONS)
    assert len(seven.dataset.class_names) == 7
    assert len(np.unique(seven.dataset.groups)) == 230
    assert seven.source_split is not None
    assert (seven.source_split == "validation").sum() == 29
    two = read(path, ReadOptions(cache="off", size=8, label_column="binary"))
    assert dict(zip(two.dataset.class_names, two.dataset.counts.tolist(), strict=True)) == {
        "abnormal": 490,
        "normal": 182,
    }
    assert two.dataset.images.shape == (672, 3, 8, 8)


@pytest.mark.slow
def test_skin_is_read_by_lesion(shared: Path) -> None:
    loaded = read(
        shared / "data" / "skin_mal_benign" / "manifest.csv", ReadOptions(cache="off", size=16)
    )
    assert loaded.dataset.counts.tolist() == [1800, 1497]
    assert len(np.unique(loaded.dataset.groups)) == 2308

"""Annotations of objects are recognized by what they contain."""

import json
from pathlib import Path

import pytest

from equipoise.data.images.annotations import annotates_objects, find_annotations
from equipoise.data.images.image_folder import read_image_folder
from equipoise.data.images.options import ReadOptions
from equipoise.exceptions import DataError

COCO = {"info": {}, "images": [{"id": i, "file_name": f"{i}.png"} for i in range(9000)]}
CONTENTS = {
    "coco.json": json.dumps({**COCO, "annotations": [{"bbox": [1, 2, 3, 4]}]}),
    "labelme.json": '{"shapes": [], "imagePath": "1.png"}',
    "voc.xml": '<?xml version="1.0"?>\n<annotation verified="yes"><object/></annotation>',
    "boxes.txt": "0 0.5 0.5 0.1 0.1\n12 0.25 .5 1e-3 1\n",
    "outlines.txt": "0 0.1 0.1 0.2 0.1 0.2 0.2\n",
}
OTHER_CONTENTS = {
    "sidecar.json": '{"Modality": "CR", "labels": {"0": "well"}}',
    "report.xml": "<report>No annotation.</report>",
    "reading.txt": "Patient 1 of 4, 35 years: normal chest.",
    "empty.txt": "",
    "class.txt": "3",
    "size.txt": "128 128 3",
}


@pytest.mark.parametrize("name", [*CONTENTS, *OTHER_CONTENTS])
def test_annotations_are_recognized_by_content(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text({**CONTENTS, **OTHER_CONTENTS}[name])
    assert annotates_objects(path) == (name in CONTENTS)
    assert not annotates_objects(tmp_path / "absent.xml")


@pytest.mark.parametrize(
    ("images", "annotations", "pattern"),
    [
        (("train2017/1.png", "val2017/2.png"), {"annotations/a.json": "coco.json"}, "annotations"),
        (("train/1.png", "test/2.png"), {"train/_annotations.coco.json": "coco.json"}, "*.json"),
        (("VOC/JPEGImages/1.png",), {"VOC/Annotations/1.xml": "voc.xml"}, "Annotations"),
        (("images/train/1.png",), {"labels/train/1.txt": "boxes.txt"}, "labels"),
        (("train/images/1.png",), {"train/labels/1.txt": "outlines.txt"}, "labels"),
        (("1.png", "2.png"), {"1.txt": "boxes.txt", "2.txt": "empty.txt"}, "*.txt"),
        (("a/1.png", "b/2.png"), {"a/1.json": "labelme.json"}, "*.json"),
        (("a/1.png",), {"a/1.txt": "reading.txt", "b/9.txt": "boxes.txt"}, None),
        ((), {"coco.json": "coco.json"}, None),
        (("a/1.png",), {"dataset.json": "sidecar.json", "a/1.xml": "report.xml"}, None),
    ],
)
def test_sets_of_annotated_objects_are_refused_with_what_leaves_them_out(
    images: tuple[str, ...], annotations: dict[str, str], pattern: str | None, tmp_path: Path
) -> None:
    for file in (*images, *annotations):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    for file, content in annotations.items():
        (tmp_path / file).write_text({**CONTENTS, **OTHER_CONTENTS}[content])
    expected = {} if pattern is None else {pattern: list(annotations)}
    assert find_annotations(tmp_path, images, annotations) == expected
    if pattern is None:
        read_image_folder(tmp_path, ReadOptions(), classes=True)
        return
    with pytest.raises(DataError) as refused:
        read_image_folder(tmp_path, ReadOptions(), classes=True)
    message = str(refused.value)
    assert next(iter(annotations)) in message
    assert "--table CSV" in message
    options = ReadOptions(ignore=(pattern,))
    assert len(read_image_folder(tmp_path, options, classes=True).files) == len(images)
    assert len(read_image_folder(tmp_path, ReadOptions()).files) == len(images)  # for predict


def test_masks_beside_annotations_are_named_in_the_same_message(tmp_path: Path) -> None:
    for file in ("JPEGImages/1.png", "SegmentationClass/1.png", "Annotations/1.xml"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(CONTENTS["voc.xml"])
    with pytest.raises(DataError) as refused:
        read_image_folder(tmp_path, ReadOptions(), classes=True)
    assert "--ignore Annotations" in str(refused.value)
    assert "--ignore SegmentationClass" in str(refused.value)

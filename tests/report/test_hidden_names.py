"""A report that is handed over names no file, folder or patient, whatever the run stored."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from equipoise.atomic import write_json
from equipoise.names import HIDDEN, first_names
from equipoise.report.hidden_names import recognizable_ids
from equipoise.report.html import write_report

MakeRun = Callable[..., Path]
SECRETS = ("JaneDoe", "jane.doe", "/home/clinic", "MRN-4711", "hospital", "doe 7")
IDS = [f"normal/MRN-4711-{i}.png" for i in range(4)] + ["carcinoma/jane.doe.tif", "doe 7"]
COMMAND = "equipoise run '/home/clinic/JaneDoe films' --table hospital.csv --note 'of JaneDoe'"


def plant(run: Path) -> Path:
    """Plant names wherever a run stores them."""
    splits = [{"name": "split-0", "train": IDS[:3], "validation": [IDS[3]], "test": IDS[4:]}]
    write_json(run / "splits.json", {"splits": splits})
    pairs = [[IDS[0], IDS[4]]]
    duplicates: dict[str, Any] = {"exact": pairs, "near": [], "conflicting": pairs}
    duplicates |= {"crossing": {"split-0": pairs}, "crossing_validation": {"split-1": pairs}}
    write_json(run / "duplicates.json", duplicates)
    study: dict[str, Any] = json.loads((run / "study.json").read_text())
    study["facts"] = {
        "command": COMMAND,
        "notes": [
            f"Constant images (2): {first_names(['a/JaneDoe', 'hospital'])}.",
            "Left out: /home/clinic/x.png and MRN-4711.dcm, beside doe 7.",
        ],
        "skipped": ["normal/JaneDoe 8: truncated", "hospital: no image"],
    }
    for step in study["methods"][1]["steps"]:
        step["settings"]["pretrained"] = "/home/clinic/JaneDoe.pth"
        step["settings"]["head"] = {"files": ["C:\\hospital\\w.safetensors"]}
    write_json(run / "study.json", study)
    for path in run.rglob("record.json"):
        record = json.loads(path.read_text())
        if record["status"] == "failed":
            record["error"] = "[Errno 28] No space: '/home/clinic/JaneDoe 1/x.npz' of doe 7."
            record["traceback"] = 'File "/home/clinic/hospital.py", line 1, in JaneDoe'
            write_json(path, record)
    return run


def test_nothing_planted_is_in_the_page_unless_names_are_shown(make_run: MakeRun) -> None:
    run = plant(make_run(methods=("none", "class_weights"), failed=("class_weights",)))
    page = write_report(run).read_text(encoding="utf-8")
    assert [secret for secret in SECRETS if secret in page] == []
    assert f"Constant images (2): {HIDDEN}." in page
    assert "Left out, because they could not be read: 2 files." in page
    assert "No space" in page
    named = write_report(run, names=True).read_text(encoding="utf-8")
    assert [secret for secret in SECRETS if secret not in named] == []


def test_a_page_of_volumes_names_no_case(volumes_copy: Path) -> None:
    cases = recognizable_ids(volumes_copy, ())
    assert cases
    study = json.loads((volumes_copy / "study.json").read_text())
    study["facts"] |= {"command": COMMAND, "skipped": ["Case JaneDoe: no label file"]}
    study["facts"]["notes"] = [f"Case {case} has no tumor." for case in cases]
    write_json(volumes_copy / "study.json", study)
    page = write_report(volumes_copy).read_text(encoding="utf-8")
    assert [name for name in (*SECRETS, *cases) if name in page] == []
    assert "Left out, because they could not be read: 1 case." in page


def test_parts_of_ids_that_are_words_or_classes_stay(tmp_path: Path) -> None:
    ids = ["Normal/images/p7.png", "Normal/images/12.png", "7"]
    split = {"name": "split-0", "train": ids, "validation": [], "test": []}
    write_json(tmp_path / "splits.json", {"splits": [split]})
    names = recognizable_ids(tmp_path, ["Normal"])
    assert names == {*ids[:2], "p7.png", "12.png"}
    (tmp_path / "splits.json").write_text("{")
    assert recognizable_ids(tmp_path, []) == frozenset()

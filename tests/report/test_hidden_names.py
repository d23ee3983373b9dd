"""A report that is handed over names no file, folder or patient, whatever the run stored."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipoise.atomic import write_json
from equipoise.exceptions import DamagedFileError
from equipoise.names import HIDDEN, first_names
from equipoise.report.hidden_names import recognizable_ids
from equipoise.report.html import write_report

MakeRun = Callable[..., Path]
SECRETS = ("JaneDoe", "jane.doe", "/home/clinic", "MRN-4711", "hospital", "doe 7")
IDS = [f"normal/MRN-4711-{i}.png" for i in range(4)] + ["carcinoma/jane.doe.tif", "doe 7"]
COMMAND = "equipoise run '/home/clinic/JaneDoe films' --table hospital.csv --note 'of JaneDoe'"


def plant(run: Path) -> Path:
    """Plant names wherever a run stores them."""
    splits = json.loads((run / "splits.json").read_text())
    splits["splits"][0]["test"][: len(IDS)] = IDS
    write_json(run / "splits.json", splits)
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


def test_parts_of_ids_that_are_words_or_classes_stay(make_run: MakeRun) -> None:
    run = make_run(methods=("none",), n_splits=1, n_seeds=1)
    ids = ["Normal/images/p7.png", "Normal/images/12.png", "7"]
    splits = json.loads((run / "splits.json").read_text())
    splits["splits"][0]["test"][:3] = ids
    write_json(run / "splits.json", splits)
    names = recognizable_ids(run, ["Normal"])
    assert {name for name in names if not name.startswith("split-0-")} == {
        *ids[:2], "p7.png", "12.png",
    }  # fmt: skip


@pytest.mark.parametrize(
    "content", ["{", '{"splits": []}', '{"splits": [{"name": "split-0"}]}', None]
)
def test_without_its_splits_a_run_has_no_report_that_hides_names(
    content: str | None, make_run: MakeRun
) -> None:
    run = plant(make_run(methods=("none", "class_weights"), failed=("class_weights",)))
    file = run / "splits.json"
    file.unlink()
    if content is not None:
        file.write_text(content)
    with pytest.raises(DamagedFileError, match=r"splits\.json"):
        write_report(run)
    assert not (run / "report.html").exists()
    assert "doe 7" in write_report(run, names=True).read_text(encoding="utf-8")

"""`--time` and `plan` as a user calls them, on a folder small enough for seconds."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from equipoise.cli.planning import stored_plan
from equipoise.time_plan.pilot import discard_plan
from equipoise.time_plan.plan import FixedChoices, StoredPlan, TrainingSetting, read_plan

Call = Callable[..., tuple[int, str, str]]
FROZEN = ("--regime", "frozen", "--network", "small_cnn", "--pretrained", "random")
QUICK = (*FROZEN, "--methods", "none,oversampling", "--splits", 2, "--workers", 1)


def test_a_planned_run_says_what_it_does_and_whether_it_kept_its_time(
    call: Call, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = ("run", films, *QUICK, "--time", "3m", "--groups", r"patient(\d+)", "--out", out)
    code, printed, error = call(*command)
    assert code == 0, error
    assert printed.startswith("Planning for 3 min")
    assert printed.index("Read: 60 images of 30 patients") < printed.index("Pilot: ")
    for words in ("Plan for 3 min", "40 px", "named (--splits)", "Expected: 2 splits x 1 seed "):
        assert words in printed
    plan = json.loads((out / "plan.json").read_text())["plan"]
    assert plan["setting"]["size"] == 40
    assert plan["now"]["n_splits"] == 2
    seconds = json.loads((out / "seconds.json").read_text())
    assert "Planned for 3 min, took" in printed
    assert {"reading", "planning", "training", "tables", "evidence"} <= seconds.keys()
    assert json.loads((out / "study.json").read_text())["facts"]["plan"] == plan
    html = (out / "report.html").read_text()
    assert "The plan by time" in html

    code, printed, _ = call(*command)
    assert code == 0
    assert "continued" in printed
    assert printed.index("Split: new") < printed.index("Plan for 3 min")
    assert "All 4 cells are finished." in printed
    assert json.loads((out / "plan.json").read_text())["plan"] == plan
    assert (out / "report.html").read_text() == html

    code, _, error = call(*command[:-4], "--time", "4m", "--out", out)
    assert code == 2
    assert "planned, 3m, got 4m" in error
    code, _, error = call(*command, "--seeds", 2)
    assert code == 2
    assert "n_seeds" in error


def test_a_plan_alone_leaves_no_run(
    call: Call, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, printed, error = call("plan", films, *QUICK, "--time", "2m")
    assert code == 0, error
    assert "Plan for 2 min" in printed
    assert "With twice the time" in printed
    assert not (tmp_path / "runs").exists()


def test_a_run_that_was_not_planned_is_not_continued_by_a_plan(
    call: Call, films: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "study.json").write_text("{}")
    code, _, error = call("run", films, "--time", "5m", "--out", tmp_path / "run")
    assert code == 2
    assert "--steps" in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--time", "90"), ("90m or 90h",)),
        (("run", "--time", "30m", "--task", "segmentation"), ("--task segmentation", "--folds")),
        (("plan", "--task", "segmentation"), ("segmentation",)),
        (("run", "--methods", "none,smot", "--time", "5m"), ("smot", "smote")),
        (("run", "--network", "mobilenetv2", "--time", "5m"), ("mobilenet_v2",)),
        (("run", "--regime", "frosen"), ("frozen",)),
    ],
)
def test_bad_requests_are_refused_before_anything_is_measured(
    arguments: tuple[str, ...],
    words: tuple[str, ...],
    call: Call,
    films: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("equipoise.time_plan.machine.Machine.feature_seconds", None)
    command, *options = arguments
    code, _, error = call(command, films, *options)
    assert code == 2
    for word in words:
        assert word in error


@pytest.mark.parametrize("fixed", [(), ("--splits", 2, "--seeds", 1, "--size", 32, "--steps", 2)])
def test_all_faults_of_an_input_are_refused_before_anything_is_measured(
    fixed: tuple[object, ...],
    call: Call,
    films: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("equipoise.time_plan.machine.Machine.feature_seconds", None)
    first, second, *_ = sorted(films.rglob("*.png"))
    (films / "region").mkdir()
    for i, file in enumerate(sorted(films.glob("normal/*"))[:12]):
        region = Image.open(file).point(lambda value: 255 * (value > 99))
        region.save(films / "region" / f"patient{i:02d}.png")
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[:200])  # its header is right
    out = tmp_path / "run"
    command = ("run", films, "--rare", "tumour", "--groups", r"pat(\d+)", *fixed, "--out", out)
    code, printed, error = call(*command)
    assert code == 2
    for word in ("--groups", "2 of 72 images", "empty", "--rare", "tumour", "--ignore region"):
        assert word in error
    assert "Planning" not in printed
    first.unlink()
    second.unlink()
    code, printed, error = call(*command[:4], *fixed, "--out", out)
    assert code == 2
    assert "Available" in error
    assert not printed
    assert not out.exists()


def test_a_refused_plan_does_not_hinder_the_next_command(
    call: Call, films: Path, tmp_path: Path
) -> None:
    """A class has too few patients."""
    out = tmp_path / "run"
    for file in sorted(films.glob("pneumonia/*"))[2:]:
        file.unlink()
    groups = ("--groups", r"patient(\d+)")
    code, printed, error = call("run", films, *QUICK, "--time", "3m", *groups, "--out", out)
    assert code == 2
    assert "Expected 3 patients or more" in error
    assert "'pneumonia' (1)" in error
    assert "Listed: 38 images of 19 patients" in error
    assert not printed
    assert not out.exists()
    unfinished = StoredPlan(
        seconds=180.0,
        fixed=FixedChoices(n_seeds=5),
        setting=TrainingSetting(regime="frozen", network="small_cnn", pretrained=None, size=32),
    )
    unfinished.store(out)
    assert stored_plan(out, FixedChoices(n_seeds=5), None) == unfinished
    assert stored_plan(out, FixedChoices(n_seeds=4), None) is None
    assert stored_plan(out, FixedChoices(n_seeds=5), 90.0) is None
    discard_plan(out)
    assert read_plan(out) is None


@pytest.mark.parametrize("fixed", [(), ("--splits", 2, "--seeds", 1, "--size", 32, "--steps", 2)])
def test_too_few_images_are_refused_with_the_other_faults(
    fixed: tuple[object, ...],
    call: Call,
    films: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A class has too few images for the split, another for a method, and a file is damaged."""
    monkeypatch.setattr("equipoise.time_plan.machine.Machine.feature_seconds", None)
    ill = sorted(films.glob("pneumonia/*"))
    ill[0].write_bytes(b"")
    for file in ill[2:]:
        file.unlink()
    out = tmp_path / "run"
    code, printed, error = call("run", films, "--rare", "tumour", *fixed, "--out", out)
    assert code == 2
    for word in ("1 of ", "empty", "tumour", "'pneumonia' (2)", "one for each of train", "Listed:"):
        assert word in error
    assert not printed


def test_a_class_too_small_for_a_method_is_refused_before_anything_is_measured(
    call: Call, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipoise.time_plan.machine.Machine.feature_seconds", None)
    for file in sorted(films.glob("pneumonia/*"))[5:]:
        file.unlink()
    methods = ("--methods", "none,bagan,dcgan")
    code, printed, error = call("run", films, *methods, "--time", "30m")
    assert code == 2
    for word in ("at least 8 training images", "dcgan", "bagan", "'pneumonia'"):
        assert word in error
    assert not printed


def test_patients_across_the_own_split_are_refused_before_anything_is_measured(
    call: Call, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipoise.time_plan.machine.Machine.feature_seconds", None)
    for file in sorted(films.rglob("*.png")):
        part = "test" if file.stem[-1] in "02468" else "train"
        inside = films.parent / "parts" / part / file.parent.name
        inside.mkdir(parents=True, exist_ok=True)
        file.rename(inside / file.name)
    code, printed, error = call("run", films.parent / "parts", "--groups", r"^\w", "--time", "30m")
    assert code == 2
    assert "--new-splits" in error
    assert not printed


def test_a_study_file_is_not_planned(call: Call, tmp_path: Path) -> None:
    code, _, error = call("run", tmp_path / "study.py", "--time", "5m")
    assert code == 2
    assert "--time" in error

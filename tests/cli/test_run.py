"""`equipoise run` as a user calls it, on a folder small enough for seconds."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

Call = Callable[..., tuple[int, str, str]]
QUICK = (
    *("--size", 32, "--methods", "none,oversampling", "--seeds", 1, "--splits", 2),
    *("--steps", 3, "--workers", 1),
)


def test_a_folder_becomes_tables_and_a_report(call: Call, films: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    note = ("--note", "Two scanners & one class each.")
    workers = ("--workers", 2)  # as by default: the study is sent to other processes
    command = ("run", films, *QUICK, "--groups", r"patient(\d+)", *note, *workers, "--out", out)
    code, printed, _ = call(*command)
    assert code == 0
    assert "4 cells to train" in printed
    assert "pneumonia" in printed
    assert f"Report: {out / 'report.html'}" in printed
    with (out / "table.csv").open() as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"none", "oversampling"}
    html = (out / "report.html").read_text()
    assert "patient(\\d+)" in html  # the command, to repeat it
    assert "Two scanners &amp; one class each." in html
    table = (out / "table.csv").read_bytes()

    code, printed, _ = call(*command)
    assert code == 0
    assert "All 4 cells are finished." in printed
    assert (out / "table.csv").read_bytes() == table

    (out / "report.html").unlink()
    assert call("report", out)[0] == 0
    assert (out / "report.html").read_text() == html


def test_other_settings_in_the_same_folder_are_refused(
    call: Call, films: Path, tmp_path: Path
) -> None:
    command = ("run", films, *QUICK, "--out", tmp_path / "run")
    assert call(*command)[0] == 0
    table = (tmp_path / "run" / "table.csv").read_bytes()
    code, _, error = call(*command, "--steps", 4)
    assert code == 2
    assert re.search(r"n_steps.*3.*4", error)
    assert "--out" in error
    assert (tmp_path / "run" / "table.csv").read_bytes() == table


def test_a_study_file_is_run(call: Call, tmp_path: Path) -> None:
    (tmp_path / "my_study.py").write_text(
        "from equipoise.data.phantoms.datasets import cells\n"
        "from equipoise.data.splits import hold_out\n"
        "from equipoise.experiments.protocol import Budget\n"
        "from equipoise.experiments.methods.catalogue import build_methods\n"
        "from equipoise.experiments.study import Study\n"
        "dataset = cells((40, 30), size=32)\n"
        "methods = build_methods(['none', 'posthoc_logit_adjustment'], Budget(n_steps=2))\n"
        "study = Study(name='mine', dataset=dataset, splits=hold_out(dataset, n_splits=1),\n"
        "              seeds=(0,), methods=methods)\n"
    )
    command = ("run", tmp_path / "my_study.py", "--workers", 1, "--out", tmp_path / "run")
    code, printed, _ = call(*command)
    assert code == 0
    assert (tmp_path / "run" / "report.html").is_file()
    assert re.search(r"posthoc_logit_adjustment .* not enough", printed), (
        "a long name squeezes the verdict"
    )
    assert "Report:" in printed


def test_an_unknown_folder_is_named(call: Call, tmp_path: Path) -> None:
    code, _, error = call("report", tmp_path / "nowhere")
    assert code == 2
    assert "nowhere" in error


def test_the_frozen_regime_from_films_to_predictions(
    call: Call, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    regime = ("--regime", "frozen", "--network", "small_cnn", "--pretrained", "random")
    sizes = ("--size", 32, "--seeds", 1, "--splits", 2, "--workers", 2)
    methods = ("--methods", "none,crt,smote_features")
    code, printed, _ = call("run", films, *regime, *sizes, *methods, "--out", out)
    assert code == 0
    assert "features" in printed
    assert (out / "evidence" / "attention" / "attention.json").is_file()
    assert "smote_features" in (out / "report.html").read_text()
    table = tmp_path / "predictions.csv"
    assert call("predict", out, films, "--out", table)[0] == 0
    with table.open() as file:
        assert len(list(csv.DictReader(file))) == 60


def test_the_frozen_regime_needs_weights(call: Call, films: Path, tmp_path: Path) -> None:
    regime = ("--regime", "frozen", "--network", "small_cnn")
    code, _, error = call("run", films, *regime, "--out", tmp_path / "run")
    assert code == 2
    assert "small_cnn" in error
    assert "equipoise weights list" in error

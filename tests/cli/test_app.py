"""The commands as a user gives them, on a folder small enough for seconds."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from equipoise.cli.app import folder_name, main
from equipoise.cli.list import FAMILIES

QUICK = [
    "--size",
    "32",
    "--methods",
    "none,oversampling",
    "--seeds",
    "1",
    "--splits",
    "2",
    "--steps",
    "3",
]


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["equipoise", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_a_folder_becomes_tables_and_a_report(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    run = [
        "run",
        str(films),
        *QUICK,
        "--groups",
        r"patient(\d+)",
        "--workers",
        "1",
        "--out",
        str(out),
    ]
    run += ["--note", "Two scanners & one class each."]
    assert call(monkeypatch, *run) == 0
    said = capsys.readouterr().out
    assert "4 cells to train" in said
    assert "pneumonia" in said
    assert f"Report: {out / 'report.html'}" in said
    with (out / "table.csv").open() as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"none", "oversampling"}
    html = (out / "report.html").read_text()
    assert "patient(\\d+)" in html  # the command, to repeat it
    assert "Two scanners &amp; one class each." in html
    before = (out / "table.csv").read_bytes()

    assert call(monkeypatch, *run) == 0
    assert "All 4 cells are finished." in capsys.readouterr().out
    assert (out / "table.csv").read_bytes() == before

    (out / "report.html").unlink()
    assert call(monkeypatch, "report", str(out)) == 0
    assert (out / "report.html").read_text() == html


def test_other_settings_in_the_same_folder_are_refused(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["run", str(films), *QUICK, "--workers", "1", "--out", str(tmp_path / "run")]
    assert call(monkeypatch, *run) == 0
    kept = (tmp_path / "run" / "table.csv").read_bytes()
    capsys.readouterr()
    assert call(monkeypatch, *run, "--steps", "4") == 2
    message = capsys.readouterr().err
    assert "n_steps: stored 3, asked 4" in message
    assert "--out" in message
    assert (tmp_path / "run" / "table.csv").read_bytes() == kept


def test_a_study_file_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_study.py").write_text(
        "from equipoise.data.phantoms.datasets import cells\n"
        "from equipoise.data.splits import hold_out\n"
        "from equipoise.experiments.protocol import Budget\n"
        "from equipoise.experiments.methods.catalogue import build_methods\n"
        "from equipoise.experiments.study import Study\n"
        "dataset = cells((40, 30), size=32)\n"
        "study = Study(name='mine', dataset=dataset, splits=hold_out(dataset, n_splits=1), seeds=(0,),\n"
        "              methods=build_methods(['none', 'posthoc_logit_adjustment'], Budget(n_steps=2)))\n"
    )
    arguments = (
        "run",
        str(tmp_path / "my_study.py"),
        "--workers",
        "1",
        "--out",
        str(tmp_path / "run"),
    )
    assert call(monkeypatch, *arguments) == 0
    assert (tmp_path / "run" / "report.html").is_file()
    shown = capsys.readouterr().out
    assert re.search(r"posthoc_logit_adjustment .* not enough", shown), (
        "a long name squeezes the verdict"
    )
    assert "Report:" in shown


@pytest.mark.parametrize(
    ("family", "members"),
    [
        ("methods", ("none", "class_weights", "undersampling", "dcgan", "cdcgan")),
        ("readers", ("folder", "table", "medmnist")),
        ("losses", ("cross_entropy", "class_weights")),
        ("metrics", ("balanced_accuracy", "auroc", "rare_recall")),
        ("label_schemes", ("brats2013", "4 enhancing")),
        ("patch_samplers", ("balanced", "hard_example")),
        ("patch_networks", ("center_cnn_valid", "unet")),
        ("region_losses", ("dice", "focal_tversky")),
        *((family, ()) for family in FAMILIES),
    ],
)
def test_families_are_listed(
    family: str,
    members: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, "list", family) == 0
    listed = capsys.readouterr().out
    assert len(listed.splitlines()) >= 2
    assert all(member in listed for member in members)


def test_unknown_families_and_folders_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "list", "method") == 2
    assert "Did you mean 'methods'?" in capsys.readouterr().err
    assert call(monkeypatch, "report", str(tmp_path / "nowhere")) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["demo", "run", "report", "list", "generate", "audit", "predict", "rank"]
)
def test_help_shows_an_example(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, command, "--help") == 0
    assert f"Example: equipoise {command}" in capsys.readouterr().out


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys; sys.argv = ['equipoise', '--help']\n"
        "from equipoise.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    assert not {'torch', 'sklearn', 'monai'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=os.environ
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/My Films/", "My-Films"),
        ("set.npz", "set"),
        ("medmnist:derma@64", "medmnist-derma-64"),
    ],
)
def test_a_run_is_named_after_its_images(path: str, name: str) -> None:
    assert folder_name(path) == name

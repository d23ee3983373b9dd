from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.testing.volume_runs import write_case

Call = Callable[..., tuple[int, str, str]]
TINY = (
    *("--steps", 2, "--epoch-steps", 1, "--patch-size", 32, "--patch-batch", 8, "--width", 2),
    *("--seeds", 1, "--workers", 1, "--device", "cpu"),
)


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three case folders."""
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path / "cache"))
    for i in range(3):
        write_case(tmp_path / "cases" / f"case-{i}", i)
    return tmp_path / "cases"


def test_a_folder_of_cases_to_a_report(call: Call, cases: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    asked = (
        "run",
        cases,
        "--task",
        "segmentation",
        "--methods",
        "random,balanced_corrected",
        "--out",
        run,
    )
    code, out, error = call(*asked, *TINY, "--modalities", "T1c,FLAIR", "--note", "Drawn.")
    assert (code, error) == (0, "")
    assert f"Report: {run / 'report.html'}" in out
    assert "Dice," in out
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Drawn." in page
    assert "case-0" not in page.split("How to repeat this")[0]
    code, again, _ = call(*asked, *TINY, "--modalities", "T1c,FLAIR", "--note", "Drawn.")
    assert "All 6 cells are finished." in again
    assert call("report", run)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "segmentatoin"), "No task named 'segmentatoin'. Did you mean 'segmentation'?"),
        (("--task", "segmentation", "--methods", "randm"), "Did you mean 'random'?"),
        (("--task", "segmentation", "--methods", "random,random"), "got random more than once"),
        (
            ("--task", "segmentation", "--labels", "brats2031"),
            "Available: brats2013, brats2017, brats2023, msd_brain, plain",
        ),
        (("--task", "segmentation", "--metric", "auroc"), "No metric named 'auroc'"),
        (("--task", "segmentation", "--folds", "100000000"), "1000"),
        (("--seeds", "100000000"), "1000"),
        (
            ("--task", "segmentation", "--patch-size", "50"),
            "a multiple of 8 and at least 32 px, got 50",
        ),
        (
            ("--task", "segmentation", "--folds", "4"),
            "Expected 2 to 3 folds (--folds), the number of patients, got 4",
        ),
        (("--task", "segmentation", "--modalities", "FLAIR,PET"), "PET"),
    ],
)
def test_bad_input_is_said_in_one_message(
    call: Call, cases: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, out, error = call("run", cases, *arguments, "--out", tmp_path / "run")
    assert code == 2
    assert message in " ".join(error.split())
    assert "Traceback" not in out + error


def test_two_patients_are_too_few(call: Call, cases: Path, tmp_path: Path) -> None:
    for file in (cases / "case-2").iterdir():
        file.unlink()
    _, _, error = call("run", cases, "--task", "segmentation", "--out", tmp_path / "run")
    assert "Expected 3 patients or more" in error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--folds", 7), "2 to 3 folds (--folds)"),
        (("--folds", 2), "Use more folds (--folds)"),
        (("--groups", "case"), "3 patients or more"),
    ],
)
def test_too_few_patients_are_refused_with_the_other_faults_before_a_case_is_prepared(
    options: tuple[object, ...],
    words: str,
    call: Call,
    cases: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("equipoise.data.volumes.loading.prepare_cached", None)
    arguments = ("run", cases, "--task", "segmentation", *options, "--modalities", "DWI", *TINY)
    code, printed, error = call(*arguments, "--out", cases.parent / "run")
    assert code == 2
    assert "DWI (--modalities)" in error
    assert words in error
    assert not printed
    assert not (cases.parent / "run").exists()


def test_nothing_to_read_is_said(call: Call, tmp_path: Path) -> None:
    code, _, error = call(
        "run", tmp_path / "nowhere", "--task", "segmentation", "--out", tmp_path / "run"
    )
    assert code == 2
    assert "found nothing there" in error


@pytest.mark.slow
def test_the_demo_ends_with_a_report(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path / "cache"))
    code, out, _ = call("demo", "--task", "segmentation", "--out", tmp_path / "demo")
    assert code == 0
    assert "8 test patients" in out
    assert (tmp_path / "demo" / "report.html").is_file()

"""-q leaves one line, -v adds a traceback, --json leaves one document on standard output."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., tuple[int, str, str]]
QUICK = (
    *("--size", 32, "--methods", "none,class_weights", "--seeds", 1, "--splits", 2),
    *("--steps", 3, "--workers", 1),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "run"


def test_run_and_report_answer_in_json(call: Call, films: Path, run: Path) -> None:
    code, printed, error = call("run", films, *QUICK, "--out", run, "--json")
    assert code == 0
    answer = json.loads(printed)
    assert answer["report"] == str(run / "report.html")
    assert [method["method"] for method in answer["methods"]] == ["none", "class_weights"]
    auroc = answer["methods"][0]["metrics"]["auroc"]["mean"]
    assert 0 <= auroc <= 1
    assert answer["methods"][0]["word"] is None
    assert "4 cells to train" in error
    assert f"Report: {run / 'report.html'}" in error

    code, printed, _ = call("report", run, "--json")
    assert code == 0
    assert json.loads(printed)["methods"] == answer["methods"]


def test_quiet_leaves_the_place_of_the_result(call: Call, films: Path, run: Path) -> None:
    code, printed, error = call("report", run, "-q")
    assert (code, printed, error) == (0, f"Report: {run / 'report.html'}\n", "")
    out = run.parent / "quick"
    code, printed, error = call("run", films, *QUICK, "--out", out, "--quiet")
    assert (code, printed, error) == (0, f"Report: {out / 'report.html'}\n", "")


def test_predict_answers_in_json(call: Call, films: Path, run: Path, tmp_path: Path) -> None:
    table = tmp_path / "p.csv"
    code, printed, _ = call("predict", run, films, "--out", table, "--json")
    assert code == 0
    answer = json.loads(printed)
    assert answer["table"] == str(table)
    assert len(answer["images"]) == 60
    first = answer["images"][0]
    assert sum(first["probabilities"].values()) == pytest.approx(1)
    assert first["predicted"] == max(first["probabilities"], key=first["probabilities"].get)


def test_list_answers_in_json(call: Call) -> None:
    code, printed, error = call("list", "readers", "--json")
    assert (code, error) == (0, "")
    assert "table" in json.loads(printed)


def test_errors_come_alone_and_with_a_traceback_on_request(call: Call) -> None:
    code, printed, error = call("run", "/nowhere", "--json")
    assert (code, printed) == (2, "")
    assert error.startswith("Error: ")
    _, _, error = call("run", "/nowhere", "-v")
    assert error.startswith("Traceback")
    assert "Error: Expected images at /nowhere" in error
    assert call("run", "/nowhere", "-q")[2].startswith("Error: ")  # -v is not remembered

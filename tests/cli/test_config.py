"""Options in a file: typed ones override them, and the file beside a run repeats it."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.runs.run import open_run

Call = Callable[..., tuple[int, str, str]]
QUICK = """
size = 32
methods = ["none", "class_weights"]
seeds = 1
splits = 2
steps = 3
workers = 1
groups = 'patient(\\d+)'
"""


def test_the_file_beside_a_run_repeats_it_elsewhere(
    call: Call, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "quick.toml"
    config.write_text(f"images = {json.dumps(films.name)}\n{QUICK}", encoding="utf-8")
    monkeypatch.chdir(films.parent)
    assert call("run", "--config", config, "--splits", 3, "--out", "first")[0] == 0
    stored = tomllib.loads((tmp_path / "first" / "study.toml").read_text(encoding="utf-8"))
    assert stored["images"] == str(films)
    assert stored["splits"] == 3  # the typed one
    assert stored["groups"] == r"patient(\d+)"
    assert "out" not in stored

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = tmp_path / "first" / "study.toml"
    assert call("run", "--config", config, "--out", tmp_path / "second")[0] == 0
    first, second = (tmp_path / name / "table.csv" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    assert len(open_run(tmp_path / "second").description.splits) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("splitz = 2", ["splitz", "splits"]),
        ("config = 'x.toml'", ["'config'"]),
        ("[steps]\nn = 3", ["steps", "table"]),
        ("steps = = 3", ["no TOML", "a line for each option"]),
        ("steps = 'many'", ["--steps"]),
        ("splits = true", ["splits", "true"]),
    ],
)
def test_what_is_no_option_is_refused_by_name(
    text: str, words: list[str], call: Call, films: Path, tmp_path: Path
) -> None:
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    code, _, error = call("run", films, "--config", tmp_path / "study.toml")
    assert code == 2
    assert all(word in error for word in words)


def test_a_missing_file_is_named(call: Call, films: Path, tmp_path: Path) -> None:
    code, _, error = call("run", films, "--config", tmp_path / "none.toml")
    assert code == 2
    assert "none.toml" in error
    assert "--config" in error

"""The script for machines with a GPU, in miniature on the processor."""

from itertools import count
from pathlib import Path

import pytest
from benchmarks.gpu import MINIATURE, NO_GPU, main, measure, parts_of

from equipoise.atomic import read_json


def test_the_script_continues_until_every_part_is_finished(tmp_path: Path) -> None:
    """By a clock on which a second passes whenever somebody looks."""
    ticks = count()
    json = tmp_path / "gpu.json"
    parts = parts_of(MINIATURE, ())
    n_finished = []
    for _call in range(5):
        content = measure(
            MINIATURE, (), seconds=14, folder=tmp_path, json=json, clock=lambda: next(ticks)
        )
        finished = [name for name, row in content["parts"].items() if row["finished"]]
        n_finished.append(len(finished))
        if len(finished) == len(parts):
            break
    assert n_finished[0] < len(parts)
    assert n_finished[-1] == len(parts)
    assert n_finished == sorted(n_finished)
    stored = read_json(json)
    assert list(stored["parts"]) == sorted(parts)
    assert stored["miniature"]
    for method in ("none", "dcgan"):
        row = stored["parts"][f"resume of {method}"]
        assert row == {"finished": True, "was_interrupted": True, "bit_equal": True}
    before = json.read_bytes()
    measure(MINIATURE, (), seconds=30, folder=tmp_path, json=json, clock=lambda: next(ticks))
    assert json.read_bytes() == before  # nothing is measured again


def test_without_a_gpu_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert main(["--folder", str(tmp_path / "none")]) == NO_GPU == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--miniature" in line
    assert not (tmp_path / "none").exists()

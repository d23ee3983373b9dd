"""The command of a run, with and without its folders."""

from pathlib import Path

import pytest

from equipoise.cli.options import RunOptions
from equipoise.cli.typed_command import command_facts


def test_places_and_notes_are_hidden_and_options_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["run", "--own-split", "Jane Doe/", "--size", "16", "--out=runs/jane", "--table", "doe"]
    words += ["--groups", r"p(\d+)_", "--note", "Of Jane", "--pretrained", "/home/jane/w.pth"]
    monkeypatch.setattr("sys.argv", ["equipoise", *words])
    options = RunOptions(
        images="Jane Doe/", out=Path("runs/jane"), table=Path("doe"), note=["Of Jane"]
    )
    facts = command_facts(options)
    assert facts["command"] == (
        "equipoise run --own-split 'Jane Doe/' --size 16 --out=runs/jane --table doe "
        r"--groups 'p(\d+)_' --note 'Of Jane' --pretrained /home/jane/w.pth"
    )
    assert facts["shared_command"] == (
        "equipoise run --own-split [hidden] --size 16 --out=[hidden] --table [hidden] "
        r"--groups 'p(\d+)_' --note [hidden] --pretrained [hidden]"
    )

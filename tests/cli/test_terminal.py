"""Text from outside is no markup, wherever it is printed."""

import io

import pytest
from rich.table import Table

from equipoise.cli.bars import working_bar
from equipoise.cli.terminal import Terminal
from equipoise.training.progress import report

NAME = "[red]class[/] 1 [/] \\[bold]"


def test_a_name_in_brackets_is_printed_as_it_is() -> None:
    terminal = Terminal(file=io.StringIO(), width=80)
    table = Table(NAME)
    table.add_row(NAME)
    terminal.print(NAME, table, f"{NAME}\x1b[2J")
    assert isinstance(terminal.file, io.StringIO)
    text = terminal.file.getvalue()
    assert text.count(NAME) == 4
    assert "\x1b" not in text


def test_a_name_in_brackets_is_no_markup_in_a_progress_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with working_bar():
        report(f"{NAME}\x1b[2J", 1, 2)
    shown = capsys.readouterr().err
    assert NAME in shown
    assert "\x1b[2J" not in shown

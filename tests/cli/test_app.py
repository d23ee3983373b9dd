"""The program as a whole: help of every command, without waiting for torch."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import equipoise

Call = Callable[..., tuple[int, str, str]]
COMMANDS = ("demo", "run", "plan", "report", "list", "generate", "audit", "predict", "rank")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str, call: Call) -> None:
    code, printed, _ = call(command, "--help")
    assert code == 0
    assert f"Example: equipoise {command}" in printed


@pytest.mark.parametrize("arguments", [(), ("run",), ("list",)])
def test_help_does_not_wait_for_torch(arguments: tuple[str, ...]) -> None:
    code = (
        f"import sys; sys.argv = ['equipoise', *{arguments}, '--help']\n"
        "from equipoise.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    assert not {'torch', 'sklearn', 'monai'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=os.environ
    )


def test_the_version_is_printed(call: Call) -> None:
    assert call("--version") == (0, f"equipoise {equipoise.__version__}\n", "")


def test_a_shell_completes_commands() -> None:
    request = {
        "_EQUIPOISE_COMPLETE": "complete_bash",
        "COMP_WORDS": "equipoise ra",
        "COMP_CWORD": "1",
    }
    code = "import sys; sys.argv = ['equipoise']; from equipoise.cli import main; main()"
    process = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **request},
    )
    assert process.stdout.strip() == "rank"

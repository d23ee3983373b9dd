"""The program as a whole: help of every command, without waiting for torch."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import equipoise
from equipoise.cli.commands import COMMANDS as COMMANDS_BY_NAME
from equipoise.cli.commands import load_command

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


@pytest.mark.parametrize("name", sorted(COMMANDS_BY_NAME))
def test_the_line_of_each_command_is_that_of_its_own_help(name: str, call: Call) -> None:
    code, printed, _ = call(name, "--help")
    assert code == 0
    first_lines = load_command(name).help.partition("\n\n")[0]
    assert " ".join(first_lines.split()) == COMMANDS_BY_NAME[name][1]
    assert "--verbose" in printed


def test_the_help_names_the_environment_variables(call: Call) -> None:
    printed = " ".join(call("--help")[1].split())
    for name in ("EQUIPOISE_WEIGHTS", "EQUIPOISE_CACHE", "EQUIPOISE_CACHE_GB"):
        assert name in printed

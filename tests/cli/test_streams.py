"""Nothing that is printed, and nobody who stops reading, costs a result."""

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipoise.cli.app import print_error
from equipoise.cli.streams import LastingFile, Stopped, ending_signals, lasting
from equipoise.cli.terminal import Terminal

Call = Callable[..., tuple[int, str, str]]
CODE = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background
from equipoise.cli import app
def command(place: str):
    print("begun", flush=True)
    if not place:
        time.sleep(60)
    for _ in range(3):
        print("“正常” ± 1" * 2000)
    open(place, "w").write("written")
app.app.command("try")(command)
app.main()
"""


def start(place: str, encoding: str = "utf-8") -> "subprocess.Popen[bytes]":
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-c", CODE, "try", place]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, bufsize=0)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8", "cp437"])
def test_a_terminal_that_lacks_characters_ends_nothing(encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    lasting(stream).write("“正常” ± 1 \udcff")
    stream.flush()
    text = stream.buffer.getvalue().decode(stream.encoding)
    assert text.endswith(" 1 \\udcff")
    assert ("正常" in text) == (encoding == "utf-8")
    assert ("\\u6b63\\u5e38" in text) == (encoding != "utf-8")


def test_a_reader_who_leaves_ends_nothing(tmp_path: Path) -> None:
    with start(str(tmp_path / "out"), "ascii") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert (tmp_path / "out").read_text() == "written"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_with_its_own_code(number: signal.Signals) -> None:
    with start("") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
        # A signal that comes while a line is being written lets it be written again.
        assert output in (b"", b"begun\n")
        assert errors == b""
        assert process.returncode == 128 + number


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "--out"),
        (OSError(errno.EIO, "Input/output error", "/disk/a[red].npz"), "/disk/a[red].npz"),
        (OSError("4 requested and 0 written"), "make room"),
        (OSError(errno.EFBIG, "File too large"), "ulimit -f"),
        (OSError(errno.EMFILE, "Too many open files", "a.npz"), "ulimit -n"),
        (MemoryError(), "Not enough memory. Finished cells are kept; the same command continues."),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nSee ..."), "--workers"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "ulimit -v"),
    ],
)
def test_what_the_machine_ran_out_of_is_said_in_one_line(
    call: Call, monkeypatch: pytest.MonkeyPatch, error: Exception, named: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("equipoise.cli.app.app", fail)
    code, _, err = call("run")
    assert code == 2
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert named in err


def test_a_command_that_trains_nothing_does_not_speak_of_cells(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError(errno.ENOENT, "No such file or directory", "scores.csv")

    monkeypatch.setattr("equipoise.cli.app.app", fail)
    code, _, err = call("predict", "run", "films")
    assert code == 2
    assert "scores.csv" in err
    assert "Finished cells" not in err


def test_an_error_is_printed_where_there_is_no_memory_for_colors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("equipoise.cli.terminal.Terminal.print", fail)
    print_error("a [red] cell")
    assert capsys.readouterr().err == "Error: a [red] cell\n"


def test_a_bug_keeps_its_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("equipoise.cli.app.app", fail)
    with pytest.raises(ValueError, match="a bug"):
        call("run")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("number", "usual"),
    [
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ],
)
def test_signals_are_caught_once_and_given_back(number: signal.Signals, usual: Any) -> None:
    outside = signal.signal(number, usual)  # nohup ignores one of them
    try:
        with ending_signals() as came:
            with pytest.raises(Stopped):
                signal.raise_signal(number)
            assert signal.getsignal(number) == signal.SIG_DFL  # another one ends it at once
        assert came == [number]
        assert signal.getsignal(number) == usual
    finally:
        signal.signal(number, outside)


def test_what_nohup_ignores_stays_ignored() -> None:
    if os.name == "nt":
        return
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_signals() as came:
            signal.raise_signal(signal.SIGHUP)
        assert not came
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_a_closed_descriptor_counts_as_written() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with LastingFile(writer, "wb") as file, lasting(None) as absent:
        assert file.write(b"lost") == 4
        assert absent.write("lost") == 4


def test_text_cannot_move_the_cursor() -> None:
    stream = io.StringIO()
    terminal = Terminal(file=stream, force_terminal=True, color_system="truecolor")
    terminal.print("[red]a\x1b[2Jb\x07\u202e[/]", highlight=False)
    assert "a\\x1b[2Jb\\x07\\u202e" in stream.getvalue()

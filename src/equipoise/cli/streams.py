"""What is printed never costs a result: streams that cannot fail, and signals that end in order."""

import codecs
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

# In ASCII or an old code page; any other character that an encoding lacks is written as \u....
PLAIN = {"“": '"', "”": '"', "’": "'", "–": "-", "—": "-", "−": "-", "…": "...", "×": "x"}  # noqa: RUF001
PLAIN |= {"±": "+-", "→": "->", "≥": ">=", "≤": "<=", "•": "*", "─": "-"}
ERRORS = "equipoise.plain"  # name of the handler of characters that an encoding lacks
ENDING = ("SIGINT", "SIGTERM", "SIGHUP")  # signals that end a program and can be caught


class Stopped(KeyboardInterrupt):
    """The program was told to end, by Ctrl-C or another signal."""


class LastingFile(io.FileIO):
    """A descriptor whose reader may vanish: what can no longer be written is dropped."""

    def write(self, data: object) -> int:
        """Write bytes, or count them as written where nothing can be written."""
        view = memoryview(data)  # type: ignore[arg-type]
        try:
            return super().write(view)
        except OSError:  # a closed pipe, a full disk, a terminal that is gone
            return view.nbytes


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Let standard output and error survive a closed pipe, a full disk and any encoding."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(lasting, before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = before


def lasting(stream: TextIO | None) -> TextIO:
    """Return a stream that writes to the same place and never raises."""
    if stream is None:  # closed before the program began
        return Path(os.devnull).open("w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    try:
        descriptor = stream.fileno()
    except OSError:  # a stream in memory
        descriptor = -1
    if descriptor < 0 or (os.name == "nt" and stream.isatty()):  # a console of Windows has no bytes
        stream.reconfigure(errors=ERRORS)
        return stream
    with suppress(OSError):
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(LastingFile(descriptor, "wb", closefd=False)),
        encoding=stream.encoding,
        errors=ERRORS,
        line_buffering=True,
    )


def plain(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks: an error handler of `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    replaced = [PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in characters]
    return "".join(replaced), error.end


codecs.register_error(ERRORS, plain)


@contextmanager
def ending_signals() -> Iterator[list[int]]:
    """Raise `Stopped` where a signal ends the program; yield a list of the signals that came.

    A second signal ends it at once: everything that it writes is atomic. A signal that is ignored,
    as nohup does, stays ignored.
    """
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        signal.signal(number, signal.SIG_DFL)
        raise Stopped

    usual = (signal.SIG_DFL, signal.default_int_handler)
    before = {}
    for name in ENDING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in usual:
            before[number] = signal.signal(number, stop)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

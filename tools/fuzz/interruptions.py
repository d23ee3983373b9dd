"""Interrupt runs by signals at many moments: nothing is left behind, and they end in equal bytes.

The command line runs in forks of this process, which has imported everything and trained nothing.
"""

import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from PIL import Image

from equipoise.checksums import TEMPORARY, check_file, digest
from equipoise.data.phantoms.datasets import chest_films
from equipoise.evidence.gathering import kinds
from equipoise.exceptions import DamagedFileError
from equipoise.randomness import make_rng
from equipoise.runs.cell_record import FailedCellRecord
from equipoise.runs.run import open_run
from equipoise.testing.volume_runs import write_case
from tools.fuzz.isolation import DEAD_END, HANG, LEFT, SILENT, TRACEBACK, FaultError, Outcome

PATIENCE = 900.0  # seconds in which a command ends
ENDING = 15.0  # seconds in which the processes of a command are gone
PAUSE = 0.005  # seconds between two looks at a command
SMALL = ("--seeds", "1", "--device", "cpu")
IMAGES = ("--size", "16", "--splits", "2", "--steps", "4", "--gan-steps", "4")
VOLUMES = ("--epoch-steps", "1", "--patch-size", "32", "--patch-batch", "8", "--width", "2")
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "images": (*IMAGES, "--methods", "none,dcgan", *SMALL),
    "volumes": (
        *("--task", "segmentation", "--methods", "random,balanced_corrected", "--steps", "4"),
        *(*VOLUMES, "--modalities", "T1c,FLAIR", *SMALL),
    ),
}
# Files whose bytes depend on the clock, or on the interruption.
VARYING = ("record.json", "checksums.json", "costs.csv", "seconds.json", "report.html")
WORKER = "a worker is killed"


@dataclass(frozen=True)
class Interruption:
    """A signal, and whether it comes twice and reaches the whole group, as from a terminal."""

    number: signal.Signals
    twice: bool = False
    to_group: bool = False

    @property
    def leaves_hidden(self) -> bool:
        """Whether it may end the process before that removes its temporary files."""
        return self.twice or self.number == signal.SIGKILL

    @property
    def codes(self) -> tuple[int, ...]:
        """The exit codes that are right: a second signal may end the process itself."""
        if self.number == signal.SIGKILL:
            return (-self.number,)
        return (128 + self.number, -self.number) if self.twice else (128 + self.number,)


INTERRUPTIONS: Mapping[str, Interruption] = {
    "kill -9": Interruption(signal.SIGKILL),
    "SIGTERM": Interruption(signal.SIGTERM),
    "SIGHUP of a terminal": Interruption(signal.SIGHUP, to_group=True),
    "Ctrl-C": Interruption(signal.SIGINT, to_group=True),
    "Ctrl-C twice": Interruption(signal.SIGINT, twice=True, to_group=True),
}


def cases() -> Iterator[tuple[str, int, str]]:
    """Yield every kind of data, number of workers and interruption."""
    for n_workers in (2, 1):
        for kind in COMMANDS:
            for name in (*INTERRUPTIONS, *([WORKER] if n_workers > 1 else [])):
                yield kind, n_workers, name


CASES = tuple(cases())


class Command:
    """A command in a fork of this process, in a session of its own.

    Args:
        arguments: What is typed after `equipoise`.
        log: Where it prints.
    """

    def __init__(self, arguments: tuple[str, ...], log: Path) -> None:
        self.log = log
        self.pid = os.fork()
        self.code: int | None = None
        if not self.pid:
            _become(arguments, log)

    def is_running(self) -> bool:
        """Return whether it runs; its exit code is stored when it has ended."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def finish(self) -> int:
        """Wait for its end and return the exit code.

        Raises:
            FaultError: It does not end, or processes of it stay behind.
        """
        until = time.monotonic() + PATIENCE
        while self.is_running():
            if time.monotonic() > until:
                os.killpg(self.pid, signal.SIGKILL)
                raise _fault(HANG, f"no end after {PATIENCE:g} seconds", self.log)
            time.sleep(PAUSE)
        until = time.monotonic() + ENDING
        while left := self.processes():
            if time.monotonic() > until:
                names = [" ".join(process.cmdline()) for process in left]
                os.killpg(self.pid, signal.SIGKILL)
                raise _fault(LEFT, f"processes: {'; '.join(names)}", self.log)
            time.sleep(PAUSE)
        if "Traceback" in self.log.read_text(errors="replace"):
            raise _fault(TRACEBACK, "", self.log)
        return self.code or 0

    def processes(self) -> list[psutil.Process]:
        """Return the processes of its session; the command itself among them until it ends."""
        of_session = []
        for process in psutil.process_iter():
            with suppress(ProcessLookupError, psutil.Error):
                if os.getsid(process.pid) == self.pid and process.status() != "zombie":
                    of_session.append(process)
        return of_session

    def workers(self) -> list[psutil.Process]:
        """Return its worker processes."""
        workers = []
        for process in self.processes():
            with suppress(psutil.Error):
                if "spawn_main" in " ".join(process.cmdline()):
                    workers.append(process)
        return workers


def _become(arguments: tuple[str, ...], log: Path) -> None:
    """Be the command line from here on; never return."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.argv = ["equipoise", *arguments]
    code = 1
    try:
        from equipoise.cli.app import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 (as the interpreter does)
        os.write(2, traceback.format_exc().encode())
    os._exit(code)


def build_runs(folder: Path) -> None:
    """Write films and brains, and run both to the end."""
    kinds()  # imports what forks would import again
    films = chest_films((30, 20), size=32)
    for i, (image, label) in enumerate(zip(films.images, films.labels, strict=True)):
        place = folder / "images" / films.class_names[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(place / f"patient{i // 2:02d}_{i % 2}.png")
    for i in range(3):
        write_case(folder / "volumes" / f"case-{i}", i)
    os.environ["EQUIPOISE_CACHE"] = str(folder / "cache")
    for kind in COMMANDS:
        command = start(folder, kind, 1, folder / "whole" / kind)
        if command.finish():
            raise _fault(DEAD_END, f"an undisturbed run of {kind}", command.log)


def start(folder: Path, kind: str, n_workers: int, out: Path) -> Command:
    """Start a run."""
    out.parent.mkdir(parents=True, exist_ok=True)
    more = ("--workers", str(n_workers), "--out", str(out))
    return Command(("run", str(folder / kind), *COMMANDS[kind], *more), out.with_suffix(".log"))


class Interruptions:
    """Interrupts runs, a case of `CASES` in turn, and finishes them.

    Args:
        seed: Of the moments.
        folder: What `build_runs` built.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.folder = folder
        self.expected = {kind: results(folder / "whole" / kind) for kind in COMMANDS}
        self.events = {kind: n_events(folder / "whole" / kind) for kind in COMMANDS}

    def run(self, index: int) -> Outcome:
        """Try one interruption."""
        kind, n_workers, name = CASES[index % len(CASES)]
        rng = make_rng(self.seed, "interruption", index)
        share, pause, between = rng.random(3).tolist()
        where = f"{kind}, {n_workers} workers, {name} at {share:.0%}"
        out = self.folder / "interrupted" / kind
        shutil.rmtree(out.parent, ignore_errors=True)
        try:
            command = start(self.folder, kind, n_workers, out)
            wait_for(command, out, share * self.events[kind])
            time.sleep(0.3 * pause)
            if name == WORKER:
                kill_worker(command, out)
            else:
                interrupt(command, INTERRUPTIONS[name], between / 2)
                # worker processes are always killed; the next command removes what they leave
                check_left(out, killed=INTERRUPTIONS[name].leaves_hidden or n_workers > 1)
            again = start(self.folder, kind, n_workers, out)
            if again.finish():
                raise _fault(DEAD_END, "it cannot be finished", again.log)
            check_left(out, killed=False)
            if differing := differences(results(out), self.expected[kind]):
                raise _fault(SILENT, ", ".join(differing), again.log)
        except FaultError as fault:
            return Outcome(fault.outcome.kind, f"{where}: {fault}")
        return Outcome("finished again", where)

    def close(self) -> None:
        """Remove the last run."""
        shutil.rmtree(self.folder / "interrupted", ignore_errors=True)


def interrupt(command: Command, interruption: Interruption, between: float) -> None:
    """Send the signal, twice with some seconds between, and check how the command ends.

    Raises:
        FaultError: It has another exit code, or leaves processes behind.
    """
    send = os.killpg if interruption.to_group else os.kill
    if command.is_running():
        send(command.pid, interruption.number)
        if interruption.twice:
            time.sleep(between)
            if command.is_running():
                send(command.pid, interruption.number)
    code = command.finish()
    if code not in interruption.codes and not (code == 0 and has_report(command)):
        raise _fault(DEAD_END, f"exit code {code}, expected {interruption.codes}", command.log)


def kill_worker(command: Command, out: Path) -> None:
    """Kill a worker; the run goes on, and a cell fails with its reason or is trained by another.

    Raises:
        FaultError: The run ends otherwise, or without a report.
    """
    while command.is_running() and not (workers := command.workers()):
        time.sleep(PAUSE)
    if command.is_running():
        workers[0].kill()
    code = command.finish()
    if code == 2 and "before it started" in command.log.read_text():
        return  # a worker that dies before its first cell ends the run with the reason
    failed = [record for record in open_run(out).failed if isinstance(record, FailedCellRecord)]
    if code != (1 if failed else 0) or not (out / "report.html").is_file():
        raise _fault(DEAD_END, f"exit code {code} with {len(failed)} failed cells", command.log)
    for record in failed:
        if record.error_type != "WorkerDied" or "SIGKILL" not in record.error:
            raise _fault(SILENT, f"{record.cell} failed for {record.error}", command.log)


def has_report(command: Command) -> bool:
    """Return whether a command came to its end before the signal did."""
    return "Report:" in command.log.read_text(errors="replace")


def wait_for(command: Command, out: Path, events: float) -> None:
    """Wait until a run has written so many files and lines, or has ended."""
    while command.is_running() and n_events(out) < events:
        time.sleep(PAUSE)


def n_events(out: Path) -> int:
    """Count the files of a run and the lines that it printed: its progress."""
    n_files = 0
    for _, folders, files in os.walk(out):  # which passes over what vanishes meanwhile
        n_files += len(folders) + len(files)
    with suppress(FileNotFoundError):
        n_files += out.with_suffix(".log").read_bytes().count(b"\n")
    return n_files


def check_left(out: Path, *, killed: bool) -> None:
    """Check that a run folder has no half-written file; a killed process may leave hidden ones.

    Raises:
        FaultError: It has.
    """
    if not killed and (left := list(out.rglob(TEMPORARY))):
        raise FaultError(Outcome(LEFT, f"temporary files: {', '.join(map(str, left))}"))
    for path in out.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(out).parts)
        if path.is_file() and not hidden:
            try:
                check_file(path)
            except DamagedFileError as error:
                raise FaultError(Outcome(LEFT, str(error))) from error


def results(out: Path) -> dict[str, str]:
    """Digest the files of a run that must be equal whatever interrupted it."""
    digests = {}
    for path in [*out.glob("cells/**/*"), *out.glob("*.csv"), *out.glob("evidence/**/*")]:
        has_seconds = path.name == "model.json" and "segmenter" in path.parts
        if path.is_file() and path.name not in VARYING and not has_seconds:
            digests[path.relative_to(out).as_posix()] = digest(path)
    return digests


def differences(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Return the names of files that differ or are missing on one side."""
    names = sorted({*found, *expected})
    return [name for name in names if found.get(name) != expected.get(name)]


def _fault(kind: str, text: str, log: Path) -> FaultError:
    return FaultError(Outcome(kind, f"{text}\n{log.read_text(errors='replace')[-3000:]}"))

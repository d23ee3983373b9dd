"""Train a study, gather evidence, write tables and report: for `run`, `demo` and `report`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from equipoise.atomic import atomic_file
from equipoise.cli.config import FILE
from equipoise.cli.terminal import Terminal
from equipoise.cli.voice import answer, conclude, say
from equipoise.exceptions import DataError, LeakageError, SettingError
from equipoise.names import printable
from equipoise.runs.stage_seconds import (
    EVIDENCE,
    PLANNING,
    PREPARING,
    REPORT,
    TABLES,
    TRAINING,
    StageClock,
)

if TYPE_CHECKING:
    from equipoise.data.images.options import Loaded
    from equipoise.experiments.running.protocols import Executor
    from equipoise.experiments.study import Study
    from equipoise.results.records import Results
    from equipoise.runs.run import Run
    from equipoise.runs.store import RunStore


def load_study(path: Path, protocol: str | None = None) -> "Study":
    """Execute a study file and return its `study`, or one of its `PROTOCOLS`.

    That it is a program is said, since it may do whatever its user may do.

    `PROTOCOLS` is a table {name: function that builds the study}; the first one is the default.

    Raises:
        SettingError: There is no such file or protocol, or the file defines no study.
    """
    import runpy

    from equipoise.discovery import pick

    if not path.is_file():
        raise SettingError(f"Expected a study file, found no {path}.")
    from equipoise.experiments.study import Study

    say(f"{path} is a program: it is executed now, and may do whatever you may.")
    names = runpy.run_path(str(path), run_name="equipoise_study")
    protocols = names.get("PROTOCOLS")
    if protocols is not None:
        study = pick(protocols, protocol or next(iter(protocols)), "protocol")()
    elif protocol is not None:
        raise SettingError(f"Expected no --protocol: {path} defines one study only. Leave it out.")
    else:
        study = names.get("study")
    if not isinstance(study, Study):
        kind = "nothing" if study is None else f"a {type(study).__name__}"
        raise SettingError(
            f"Expected {path} to define `study`, an equipoise.experiments.study.Study, got {kind}."
        )
    return replace(study, reading=replace(study.reading, protocol=protocol))


@contextmanager
def stopping_is_explained() -> Iterator[None]:
    """Say how to go on where the user interrupts a run, whatever it is doing."""
    try:
        yield
    except KeyboardInterrupt:
        say("Stopped. The same command continues: no finished cell is trained again.")
        raise


def execute(
    study: "Study",
    out: Path,
    executor: "Executor",
    *,
    device: str = "auto",
    clock: StageClock | None = None,
    names: bool = False,
    config: str = "",
) -> "Results":
    """Train the cells that the folder lacks, gather evidence, and write tables and report.

    Args:
        study: The study.
        out: Folder of the run.
        executor: Where cells are trained.
        device: Whose memory they share.
        clock: Has counted the seconds of earlier stages; they are stored with those of this one,
            unless the run was complete before.
        names: Whether the report shows names of files and patients.
        config: The options that repeat the run, for its `equipoise.cli.config.FILE`.
    """
    from equipoise.data.cache import cache_folder
    from equipoise.experiments.description import describe
    from equipoise.experiments.running.memory_plan import fit_to_memory
    from equipoise.runs.reading import IMAGES, VOLUMES
    from equipoise.runs.store import RunStore

    clock = clock or StageClock()
    store = RunStore(out)
    study, executor, memory = fit_to_memory(study, executor, store, device=device)
    if "plan" not in study.facts:  # a plan has said it before its first cell
        show_study(study)
    for sentence in memory.sentences:
        say(f"Memory: {sentence}")
    cache = cache_folder()
    if cache is not None and study.reading.source in (IMAGES, VOLUMES):
        say(f"Cache: {cache} keeps what was read (equipoise cache).")
    store.check(describe(study))
    if config:
        with atomic_file(out / FILE) as temporary:
            temporary.write_text(config, encoding="utf-8")
    complete = (out / "report.html").is_file() and all(map(store.has_finished, study.cells()))
    try:
        train(study, store, executor, clock)
        with clock.stage(TABLES):  # before the evidence, so that its failure cannot cost them
            run, results = write_tables(out)
        with clock.stage(EVIDENCE):
            gather(study, store)
        if not complete:
            clock.store(out)  # the report shows it
        with clock.stage(REPORT):
            write_and_show(run, results, names=names, of_input=False)
    finally:  # an interrupted run counts too
        if not complete and (out / "study.json").is_file():
            clock.store(out)
    return results


def show_study(study: "Study") -> None:
    """Print what was read and how it is split, before anything trains."""
    from equipoise.experiments.study_summary import study_lines

    for line in study_lines(study):
        say(line)


@contextmanager
def refusal_after_summary(loaded: "Loaded") -> Iterator[None]:
    """Print what was read where the block refuses it: the reason and the way out may be there."""
    try:
        yield
    except (DataError, LeakageError):
        from equipoise.experiments.study_summary import loaded_lines

        for line in loaded_lines(loaded):
            say(line)
        raise


def train(study: "Study", store: "RunStore", executor: "Executor", clock: StageClock) -> None:
    """Train the cells that a run folder lacks, and show forecast, outlook and progress."""
    from equipoise.experiments.description import describe
    from equipoise.experiments.running.cell_timer import CellTimer
    from equipoise.experiments.running.progress import watching
    from equipoise.experiments.running.runner import run_study
    from equipoise.results.power import outlook, planned_patients
    from equipoise.time_plan.plan import TimePlan

    description = describe(study)

    def detectable_difference() -> str:
        if study.task != "classification" or "plan" in study.facts:
            return ""  # a plan has said it before, from measured spreads
        return outlook(description, planned_patients(study.images, study.splits))

    stored = study.facts.get("plan")
    seconds = TimePlan.from_json(stored).cell_seconds if isinstance(stored, Mapping) else {}
    clock_before = clock.elapsed
    with watching(
        study, store, executor, Terminal(), outlook=detectable_difference, seconds=seconds or None
    ) as observer:
        clock.add(PLANNING, clock.elapsed - clock_before)
        timer = CellTimer(observer)
        with clock.stage(TRAINING):
            run_study(study, store, executor=executor, observer=timer)
        clock.move(timer.seconds_before_start, TRAINING, PREPARING)


def gather(study: "Study", store: "RunStore") -> None:
    """Gather the evidence of a trained study, and print which kind is being gathered."""
    from rich.text import Text

    from equipoise.cli.bars import WorkLog
    from equipoise.evidence.finished_run import FinishedRun
    from equipoise.evidence.gathering import gather_evidence
    from equipoise.runs.run import open_run
    from equipoise.training.progress import listening

    console = Terminal()
    log = WorkLog(lambda line: say(f"Evidence: {line}"))
    with store.lock(), console.status("Evidence") as status:

        def begin(summary: str) -> None:
            status.update(Text(f"Evidence: {summary}"))
            if not console.is_terminal:  # a log file shows no status
                console.print(f"Evidence: {summary}", highlight=False, soft_wrap=True)

        def show(name: str, done: int, total: int) -> None:
            status.update(Text(printable(f"Evidence: {name}, {done:,} of {total:,}")))
            if not console.is_terminal:
                log(name, done, total)

        with listening(show):
            gather_evidence(FinishedRun(study, open_run(store.folder)), begin)


def exit_for_failures(results: "Results") -> None:
    """End a command whose cells have failed.

    Raises:
        typer.Exit: A cell failed; the exit code is 1.
    """
    if results.failures:
        raise typer.Exit(code=1)


def write_tables(folder: Path) -> "tuple[Run, Results]":
    """Write the tables of a run; return the opened run and its results."""
    from equipoise.runs.run import open_run

    run = open_run(folder)
    from equipoise.results.tables import write_all_tables

    return run, write_all_tables(run)


def write_and_show(run: "Run", results: "Results", *, names: bool, of_input: bool) -> None:
    """Write the report, then print the results.

    Args:
        run: The run.
        results: Its results.
        names: Whether the report shows names of files and patients.
        of_input: Whether what is seen in the images is printed; `show_study` has printed it else.
    """
    from equipoise.cli.answers import run_answer
    from equipoise.cli.console import show_results
    from equipoise.cli.plan_text import kept_sentence
    from equipoise.report.advice import advice_of
    from equipoise.report.html import first_screen_warnings, write_report
    from equipoise.report.run_contents import Contents
    from equipoise.time_plan.kept import kept_plan

    contents = Contents(run=run, results=results, names=names)
    report = write_report(contents)  # before anything is printed, so that no terminal can cost it
    named = replace(contents, names=True)  # the terminal is not handed over
    warnings = first_screen_warnings(named, of_input=of_input)
    advice = advice_of(contents)
    show_results(results, advice, warnings)
    outcome = kept_plan(run, results)
    if outcome is not None:
        say(kept_sentence(outcome))
    conclude(f"Report: {report}")
    answer(lambda: run_answer(run, results, report, advice=advice, warnings=warnings))

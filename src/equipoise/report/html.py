"""The report: one HTML file that can be read anywhere, from the stored files of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import equipoise
from equipoise.atomic import atomic_file
from equipoise.discovery import modules
from equipoise.report import (
    captions,
    charts,
    classification,
    formatting,
    overview,
    sections,
    segmentation,
    tables,
)
from equipoise.report.advice import advice_of
from equipoise.report.failed_cells import failure_groups, nothing_finished
from equipoise.report.figures import styles_of
from equipoise.report.run_contents import Contents, read_contents
from equipoise.results.records import Results
from equipoise.runs.description import SEGMENTATION
from equipoise.runs.run import Run

TEMPLATES = Path(__file__).parent / "templates"
TASKS = {"classification": classification, "segmentation": segmentation}
FILTERS = (
    captions.captioned,
    tables.signed_interval,
    formatting.breakable,
    formatting.decimal,
    formatting.in_units,
    formatting.megabytes,
    formatting.p_value,
    formatting.seconds,
    formatting.sentence_case,
    formatting.signed,
    formatting.unbroken,
)


def write_report(
    run: str | Path | Run | Contents, results: Results | None = None, *, names: bool = False
) -> Path:
    """Write `report.html` into the folder of a run, finished or not, and return its path.

    The file needs no network and no other file. The same stored files give the same bytes.

    Args:
        run: The run, its folder, or its contents.
        results: What `equipoise.results.tables.write_all_tables` returned; computed where None.
        names: Whether the page shows names of files and patients, folders and tracebacks. Without
            them it can be handed over.

    Raises:
        DataError: The folder holds no run.
        DamagedFileError: What it shows is damaged, or the splits by which it knows the names.
        SettingError: The folder cannot be written.
    """
    contents = read_contents(run, results, names=names)
    path = contents.folder / "report.html"
    page = render(contents)
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def render(contents: Contents) -> str:
    """Fill the templates; names of classes, methods and files are escaped."""
    task = TASKS[contents.results.task]
    sections_, headings = _sections(contents)
    view = {**_shared(contents), **task.view(contents), "found": sections_}
    page = environment().get_template("page.html")
    all_headings = {**task.BEFORE, **headings, **task.AFTER}
    for section in empty_sections(view):
        all_headings.pop(section, None)
    if not view.get("has_synthetic", True) and "images" in all_headings:
        all_headings["images"] = "Images"
    return page.render(view, headings=all_headings, version=equipoise.__version__)


def empty_sections(view: Mapping[str, Any]) -> list[str]:
    """Return the sections that have nothing to show: no heading stands over an empty one."""
    empty = [] if view["failures"] else ["failed"]
    if view["nothing_finished"]:
        empty += ["comparison", "training", "segmentation/training", "cost"]
    return empty


def first_screen_warnings(contents: Contents, *, of_input: bool = True) -> list[str]:
    """Return what the first screen says before a reader relies on it.

    Args:
        contents: The run.
        of_input: Whether to include what was said of the images before training.
    """
    is_volumes = contents.results.task == SEGMENTATION
    notices = segmentation.notices(contents) if is_volumes else overview.notices(contents)
    return [notice.text for notice in notices if of_input or not notice.is_about_input]


def environment() -> Environment:
    """Build the Jinja environment: names are escaped, undefined names are errors."""
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in FILTERS:
        jinja.filters[filter_.__name__] = filter_
    jinja.tests["known"] = formatting.known
    return jinja


def _sections(c: Contents) -> tuple[dict[str, Any], dict[str, str]]:
    """Collect the views and headings of the sections that have something to show, in their order.

    A section is a module of `equipoise.report.sections`; it is for studies of images unless it has
    `TASKS`.
    """
    views, headings = {}, {}
    in_order = sorted(modules(sections).items(), key=lambda item: item[1].ORDER)
    for name, section in in_order:
        tasks: tuple[str, ...] = getattr(section, "TASKS", ("classification",))
        if c.results.task not in tasks:
            continue
        view = section.view(c)
        if view is not None:
            views[name] = view
            headings[f"sections/{name}"] = section.HEADING
    return views, headings


def _shared(c: Contents) -> dict[str, Any]:
    """Return what the page of every study shows."""
    styles = styles_of(c.methods, ink=c.results.baseline)
    prominent = {name: styles[name] for name in charts.prominent(c)}
    return {
        "task": c.results.task,
        "title": c.description.name,
        "verdict": c.results.verdict,
        "contest": c.results.contest,
        "advice": advice_of(c),
        "n_splits": len(c.description.splits),
        "class_names": c.class_names,
        "rare_class": c.rare_class,
        "baseline": c.results.baseline,
        "styles": styles,
        "shown": prominent,
        "left_out": len(c.methods) - len(prominent),
        "forests": tables.forests(c),
        "scored": tables.scored(c),
        "costs": tables.costs(c),
        "cost_note": tables.cost_note(c),
        "command": c.description.command,
        "names": c.names,
        "provenance": tables.provenance(c),
        "settings": tables.settings(c),
        "splits": c.description.splits,
        "failures": failure_groups(c),
        "nothing_finished": nothing_finished(c),
        "not_scored": tables.not_scored(c),
        "unit": c.description.unit,
    }

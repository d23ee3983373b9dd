"""The report: one HTML file that can be read anywhere, from the stored files of a run."""

from pathlib import Path
from types import ModuleType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import equipoise
from equipoise.atomic import atomic_file
from equipoise.discovery import modules
from equipoise.report import charts, classification, sections, segmentation, tables
from equipoise.report import formatting as wording
from equipoise.report.figures import styles_of
from equipoise.report.run_contents import Contents, read_contents
from equipoise.results.records import Results
from equipoise.runs.run import Run

TEMPLATES = Path(__file__).parent / "templates"
TASKS = {"classification": classification, "segmentation": segmentation}
FILTERS = (
    tables.signed_interval,
    wording.breakable,
    wording.decimal,
    wording.megabytes,
    wording.p_value,
    wording.seconds,
    wording.sentence_case,
    wording.signed,
    wording.unbroken,
)


def write_report(run: str | Path | Run, results: Results | None = None) -> Path:
    """Write `report.html` into the folder of a run, finished or not, and return its path.

    The file needs no network and no other file. The same stored files give the same bytes.

    Args:
        run: The run, or its folder.
        results: What `equipoise.results.tables.write_all_tables` returned; computed where None.

    Raises:
        DataError: The folder holds no run.
        SettingError: The folder cannot be written.
    """
    contents = read_contents(run, results)
    path = contents.folder / "report.html"
    page = render(contents)
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def render(contents: Contents) -> str:
    """Fill the templates; names of classes, methods and files are escaped."""
    task = TASKS[contents.results.task]
    found, further = _further(contents)
    view = {**_shared(contents), **task.view(contents), "found": found}
    headings = {**task.BEFORE, **further, **task.AFTER}
    return (
        environment()
        .get_template("page.html")
        .render(view, headings=headings, version=equipoise.__version__)
    )


def environment() -> Environment:
    """Make what fills templates: names are escaped, and a name that a template does not get is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {filter_.__name__: filter_ for filter_ in FILTERS}
    made.tests["known"] = wording.known
    return made


def _further(c: Contents) -> tuple[dict[str, Any], dict[str, str]]:
    """Ask the modules of `sections` what they have to show; give their views and headings, in their order."""
    found = [item for item in modules(sections).items() if c.results.task in _tasks(item[1])]
    known = sorted(found, key=lambda item: item[1].ORDER)
    views = {name: view for name, section in known if (view := section.view(c)) is not None}
    return views, {f"sections/{name}": section.HEADING for name, section in known if name in views}


def _tasks(section: ModuleType) -> tuple[str, ...]:
    """Say what kinds of studies a section is about."""
    tasks: tuple[str, ...] = getattr(section, "TASKS", ("classification",))
    return tasks


def _shared(c: Contents) -> dict[str, Any]:
    """Give what the page of every study shows."""
    styles = styles_of(c.methods, ink=c.results.baseline)
    shown = {name: styles[name] for name in charts.prominent(c)}
    return {
        "task": c.results.task,
        "title": c.description.name,
        "verdict": c.results.verdict,
        "contest": c.results.contest,
        "n_splits": len(c.description.splits),
        "class_names": c.class_names,
        "rare_class": c.rare_class,
        "baseline": c.results.baseline,
        "styles": styles,
        "shown": shown,
        "left_out": len(c.methods) - len(shown),
        "forests": tables.forests(c),
        "scored": tables.scored(c),
        "costs": tables.costs(c),
        "cost_note": tables.cost_note(c),
        "command": c.description.command,
        "provenance": tables.provenance(c),
        "settings": tables.settings(c),
        "splits": c.description.splits,
        "failed": c.run.failed,
    }

"""The report: one HTML file that can be read anywhere, from the stored files of a run."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import equipoise
from equipoise.atomic import atomic_file
from equipoise.discovery import modules
from equipoise.experiments.curves import Curves, pooled_curves
from equipoise.metrics.classification import PER_CLASS
from equipoise.report import charts, images, overview, sections, tables, wording
from equipoise.report.contents import Contents, read_contents
from equipoise.report.figures import styles_of

TEMPLATES = Path(__file__).parent / "templates"
BEFORE = {  # name of the template -> heading
    "data": "Data",
    "comparison": "Comparison with the baseline",
    "results": "Results",
}
AFTER = {
    "training": "Training",
    "images": "Real and synthetic images",
    "cost": "Cost",
    "repeat": "How to repeat this",
    "reading": "How to read this",
}
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


def write_report(folder: Path) -> Path:
    """Write `report.html` into the folder of a run, finished or not, and return its path.

    The file needs no network and no other file. The same stored files give the same bytes.

    Raises:
        DataError: The folder holds no run.
        SettingError: The folder cannot be written.
    """
    path = Path(folder) / "report.html"
    page = render(read_contents(Path(folder)), pooled_curves(Path(folder)))
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def render(contents: Contents, curves: dict[str, Curves]) -> str:
    """Fill the templates; names of classes, methods and files are escaped."""
    found, further = _further(contents)
    view = {**_overview(contents), **_results(contents, curves), **_appendix(contents), "found": found}
    headings = {**BEFORE, **further, **AFTER}
    return environment().get_template("page.html").render(view, headings=headings, version=equipoise.__version__)


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
    known = sorted(modules(sections).items(), key=lambda item: item[1].ORDER)
    views = {name: view for name, section in known if (view := section.view(c)) is not None}
    return views, {f"sections/{name}": section.HEADING for name, section in known if name in views}


def _overview(c: Contents) -> dict[str, Any]:
    return {
        "title": c.study["name"],
        "verdict": c.results.verdict,
        "contest": c.results.contest,
        "basis": overview.basis(c),
        "glance": overview.glance(c),
        "warnings": overview.warnings(c),
        "classes": overview.class_counts(c),
        "n_splits": len(c.study["splits"]),
        "duplicates": overview.duplicates(c),
        "crossing": overview.crossing_pairs(c),
        "class_names": c.class_names,
        "rare_class": c.rare_class,
        "baseline": c.results.baseline,
    }


def _results(c: Contents, curves: dict[str, Curves]) -> dict[str, Any]:
    styles = styles_of(c.methods, ink=c.results.baseline)
    shown = {name: styles[name] for name in charts.prominent(c)}
    curves = {name: found for name, found in curves.items() if name in shown}
    main = tables.headline(c)
    others = [metric for metric in c.results.metrics.values() if metric not in main]
    return {
        "styles": styles,
        "shown": shown,
        "forests": tables.forests(c),
        "scored": tables.scored(c),
        "score_tables": [(metrics, tables.scores(c, metrics)) for metrics in (main, others)],
        "per_class": tables.per_class(c),
        "per_class_columns": list(PER_CLASS),
        "discrimination": charts.discrimination(curves, styles),
        "drawn": {name: styles[name] for name in curves},
        "left_out": len(c.methods) - len(shown),
        "matrices": {m.method: charts.confusion(m.confusion) for m in tables.scored(c)},
        "classifier_panels": charts.classifier_panels(c, shown),
        "generators": {m: fits for m in c.methods if (fits := charts.generator_panels(c, m))},
    }


def _appendix(c: Contents) -> dict[str, Any]:
    return {
        "gallery": images.gallery(c),
        "gallery_note": images.note(c),
        "has_synthetic": bool(c.synthetic),
        "costs": tables.costs(c),
        "cost_note": tables.cost_note(c),
        "command": c.study["facts"].get("command"),
        "provenance": tables.provenance(c),
        "settings": tables.settings(c),
        "splits": c.study["splits"],
        "failed": c.failed,
        "metrics": list(c.results.metrics.values()),
    }

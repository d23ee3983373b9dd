"""What the report of a study of images shows that no other does: classes, curves, confusion matrices, pictures."""

from typing import Any

from equipoise.metrics.classification import PER_CLASS
from equipoise.report import charts, images, overview, tables
from equipoise.report.figures import styles_of
from equipoise.report.run_contents import Contents
from equipoise.results.curves import mean_curves

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


def view(c: Contents) -> dict[str, Any]:
    """Give what the templates of this task need beside what all of them get."""
    return {**_overview(c), **_results(c), **_pictures(c)}


def _overview(c: Contents) -> dict[str, Any]:
    return {
        "unit": "Images",
        "basis": overview.basis(c),
        "glance": overview.glance(c),
        "warnings": overview.warnings(c),
        "classes": overview.class_counts(c),
        "duplicates": overview.duplicates(c),
        "crossing": overview.crossing_pairs(c),
    }


def _results(c: Contents) -> dict[str, Any]:
    styles = styles_of(c.methods, ink=c.results.baseline)
    shown = {name: styles[name] for name in charts.prominent(c)}
    curves = {name: found for name, found in mean_curves(c.run.images).items() if name in shown}
    main = tables.headline(c)
    others = [metric for metric in c.results.metrics.values() if metric not in main]
    return {
        "score_tables": [(metrics, tables.scores(c, metrics)) for metrics in (main, others)],
        "per_class": tables.per_class(c),
        "per_class_columns": list(PER_CLASS),
        "discrimination": charts.discrimination(curves, styles),
        "drawn": {name: styles[name] for name in curves},
        "matrices": {m.method: charts.confusion(m.confusion) for m in tables.scored(c)},
        "classifier_panels": charts.classifier_panels(c, shown),
        "generators": {m: fits for m in c.methods if (fits := charts.generator_panels(c, m))},
        "metrics": list(c.results.metrics.values()),
    }


def _pictures(c: Contents) -> dict[str, Any]:
    return {
        "gallery": images.gallery(c),
        "gallery_note": images.note(c),
        "has_synthetic": bool(c.run.synthetic),
    }

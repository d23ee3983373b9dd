"""What only the report of a study of images shows: classes, curves, matrices, pictures."""

from equipoise.metrics.classification import PER_CLASS
from equipoise.report import charts, images, overview, tables
from equipoise.report.figures import styles_of
from equipoise.report.notices import arrange
from equipoise.report.run_contents import Contents
from equipoise.results.curves import mean_curves

BEFORE = {  # name of the template -> heading
    "data": "Data",
    "failed": "Failed cells",
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


def view(c: Contents) -> dict[str, object]:
    """Return what only the templates of this task show."""
    return {
        "items": "Images",
        "basis": overview.basis(c),
        "glance": overview.glance(c),
        "notices": arrange(overview.notices(c)),
        "classes": overview.class_counts(c),
        "duplicates": overview.duplicates(c),
        "conflicts": images.conflicts(c),
        "crossing": overview.crossing_pairs(c),
        **results_view(c),
        "gallery": images.gallery(c),
        "gallery_note": images.note(c),
        "has_synthetic": bool(c.run.synthetic),
    }


def results_view(c: Contents) -> dict[str, object]:
    """Return what the templates of results and training show."""
    styles = styles_of(c.methods, ink=c.results.baseline)
    prominent = {name: styles[name] for name in charts.prominent(c)}
    compared_metrics, findings = tables.findings(c)
    curves = mean_curves(c.run.images, list(prominent))
    generators = {}
    for name in c.methods:
        fits = charts.generator_panels(c, name)
        if fits:
            generators[name] = fits
    headline = tables.headline(c)
    further = [metric for metric in c.results.metrics.values() if metric not in headline]
    return {
        "compared_metrics": compared_metrics,
        "findings": findings,
        "thresholds_differ": c.results.decisive_metric != c.results.primary_metric,
        "primary_metric": c.results.primary_metric,
        "score_tables": [(metrics, tables.scores(c, metrics)) for metrics in (headline, further)],
        "reference_tables": [
            tables.reference_scores(c, columns) for columns in (headline, further)
        ],
        "per_class": tables.per_class(c),
        "per_class_columns": list(PER_CLASS),
        "discrimination": charts.discrimination(curves, styles),
        "drawn": {name: styles[name] for name in curves},
        "matrices": {row.method: charts.confusion(row.confusion) for row in tables.scored(c)},
        "classifier_panels": charts.classifier_panels(c, prominent),
        "generators": generators,
        "metrics": list(c.results.metrics.values()),
    }

"""How good synthetic images are, class by class, beside real images in their place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.atomic import read_json
from equipoise.evidence.gathering import stored
from equipoise.report.figures import Axis, interval_axis
from equipoise.report.formatting import MINUS, extent, interval
from equipoise.report.run_contents import Contents

HEADING = "How good the synthetic images are"
ORDER = 40
AT_ONCE = 0.95  # AUROC from which images count as told from real ones nearly always
COLUMNS = {  # measure -> heading of the table
    "kid": "KID",
    "two_sample": "Told from real",
    "train_synthetic": "Learn synthetic, test real",
    "test_synthetic": "Learn real, test synthetic",
    "precision": "Precision",
    "recall": "Recall",
    "density": "Density",
    "coverage": "Coverage",
    "ms_ssim": "Alike (MS-SSIM)",
    "fid": "FID",
}

Mean = Mapping[str, Any]  # of one class, method and measure, as `quality.json` holds it


@dataclass(frozen=True)
class Entry:
    """A cell of the table."""

    value: str
    interval: str
    real: str
    refused: str


@dataclass(frozen=True)
class Row:
    """A method in the figure of KID."""

    method: str
    value: float
    low: float
    high: float
    floor_low: float
    floor_high: float
    text: str


@dataclass(frozen=True)
class OfClass:
    """What is shown of one class."""

    name: str
    sentences: Sequence[str]
    n: str
    table: Mapping[str, Sequence[Entry]]
    rows: Sequence[Row]
    axis: Axis | None
    refusals: Sequence[str]


def view(contents: Contents) -> dict[str, Any] | None:
    """Give each class of which synthetic images were judged, the rare one first; None where there is none."""
    path = stored(contents.folder, "quality", "quality.json")
    if path is None:
        return None
    facts = read_json(path)
    rare = contents.results.rare_class
    labels = sorted(
        {mean["label"] for mean in facts["means"]}, key=lambda label: (label != rare, label)
    )
    by_label = {
        label: [mean for mean in facts["means"] if mean["label"] == label] for label in labels
    }
    return {
        "classes": [
            _of_class(contents.class_names[label], means) for label, means in by_label.items()
        ],
        "columns": list(COLUMNS.values()),
        "extractor": facts["extractor"],
        "label_extractor": facts["label_extractor"],
        "baseline": facts["baseline"],
        "n_draws": facts["n_draws"],
    }


def _of_class(name: str, means: Sequence[Mean]) -> OfClass:
    found = {(mean["method"], mean["measure"]): mean for mean in means}
    methods = list(dict.fromkeys(mean["method"] for mean in means))
    rows = [_row(mean) for mean in _known(means, "kid")]
    ends = [
        end for row in rows for end in (row.value, row.low, row.high, row.floor_low, row.floor_high)
    ]
    return OfClass(
        name=name,
        sentences=list(_sentences(name, means)),
        n=extent(n for mean in _known(means, "kid") for n in mean["n"]),
        table={m: [_entry(found[m, measure]) for measure in COLUMNS] for m in methods},
        rows=rows,
        axis=interval_axis(ends) if rows else None,
        refusals=list(
            dict.fromkeys(f"{COLUMNS[m['measure']]}: {m['refused']}" for m in means if m["refused"])
        ),
    )


def _sentences(name: str, means: Sequence[Mean]) -> Iterator[str]:
    """Say what the numbers mean: who comes nearest, who is found out at once, who shows the class."""
    nearest = sorted(_known(means, "kid"), key=lambda mean: float(mean["value"]))
    if not nearest:
        yield f"Whether synthetic images of {name} look real cannot be said: {_reason(means)}"
    else:
        yield _closest(name, nearest)
    told = _known(means, "two_sample")
    if at_once := [
        m["method"] for m in told if m["value"] >= AT_ONCE and m["low"] > m["floor_high"]
    ]:
        yield f"A simple classifier tells the images of {_listed(at_once)} from real ones nearly always."
    if hidden := [m["method"] for m in told if m["low"] <= m["floor_high"]]:
        yield (
            f"The images of {_listed(hidden)} are told from real ones not detectably better than real ones from "
            "each other."
        )
    if taught := max(
        _known(means, "train_synthetic"), key=lambda mean: float(mean["value"]), default=None
    ):
        yield (
            f"A classifier that learned {name} from the images of {taught['method']}, the best in this, reaches an "
            f"AUROC of {_short(taught['value'])} on real ones; with as many real images it reaches "
            f"{_short(taught['floor'])}."
        )
    if any(m["floor_low"] > 0 for m in nearest):
        yield "Even real images of the two sets differ in these features: read the distances with care."
    if any("training" in m["sources"] for m in nearest):
        yield (
            f"The validation part holds too few images of {name}, so that halves of the training part stand in. "
            "Classifier and generator know both halves; that may move the distances either way."
        )


def _closest(name: str, nearest: Sequence[Mean]) -> str:
    best = nearest[0]
    numbers = f"KID {_short(best['value'])}, other real images {_short(best['floor'])}"
    if best["low"] > best["floor_high"]:
        return (
            f"No synthetic images of {name} come as close to real ones as other real images do; nearest are those "
            f"of {best['method']} ({numbers})."
        )
    others = [m["method"] for m in nearest[1:] if m["low"] <= m["floor_high"]]
    also = f"; {_listed(others)} cannot be told from that either" if others else ""
    return (
        f"The synthetic images of {name} that come closest to real ones are those of {best['method']}: no farther "
        f"off than other real images, as far as {extent(best['n'])} images can tell ({numbers}){also}."
    )


def _reason(means: Sequence[Mean]) -> str:
    return str(next(mean["refused"] for mean in means if mean["measure"] == "kid"))


def _known(means: Sequence[Mean], measure: str) -> list[Mean]:
    return [mean for mean in means if mean["measure"] == measure and not mean["refused"]]


def _row(mean: Mean) -> Row:
    ends = {name: float(mean[name]) for name in ("value", "low", "high", "floor_low", "floor_high")}
    text = (
        f"{mean['method']}: KID {_short(mean['value'])}, interval {interval(mean['low'], mean['high'], _short)}; "
        f"real images {interval(mean['floor_low'], mean['floor_high'], _short)}"
    )
    return Row(method=mean["method"], text=text, **ends)


def _entry(mean: Mean) -> Entry:
    if mean["refused"]:
        return Entry("\N{EN DASH}", "", "", mean["refused"])
    sd = f" ± {_short(mean['sd'])}" if mean["sd"] is not None else ""
    ends = interval(mean["low"], mean["high"], _short)
    return Entry(_short(mean["value"]) + sd, ends, f"real {_short(mean['floor'])}", "")


def _short(value: float | None) -> str:
    """Write three digits that count, and at most three decimals of numbers below 1 that need no more."""
    if value is None:
        return "\N{EN DASH}"
    text = f"{value:.3f}" if 0.001 <= abs(value) < 10 or value == 0 else f"{value:.3g}"
    return text.replace("-", MINUS)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

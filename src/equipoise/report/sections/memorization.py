"""May the synthetic images be released? The verdict on each method, the numbers, and the closest pairs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from equipoise.arrays import value_range
from equipoise.atomic import read_json
from equipoise.evidence.gathering import stored
from equipoise.report.formatting import plural
from equipoise.report.near_copies import COLUMNS, Couple, cells, couples
from equipoise.report.run_contents import Contents

HEADING = "May the synthetic images be released?"
ORDER = 60
SHOWN = 4  # pairs of each method

Facts = Sequence[Mapping[str, Any]]


def view(contents: Contents) -> dict[str, Any] | None:
    """Give the verdicts, the table and the gallery; None where no method kept synthetic images."""
    path = stored(contents.folder, "memorization", "audits.json")
    if path is None:
        return None
    facts = read_json(path)
    methods = {name: [one for one in facts if one["method"] == name] for name in contents.methods}
    methods = {name: of for name, of in methods.items() if of}
    return {
        "verdicts": {
            name: (all(one["passed"] for one in of), list(_verdict(of)))
            for name, of in methods.items()
        },
        "columns": list(COLUMNS.values()),
        "rows": {name: _rows(of) for name, of in methods.items()},
        "notes": sorted({note for of in methods.values() for one in of for note in one["notes"]}),
        "extractor": facts[0]["extractor"],
        "likeness": facts[0]["rule"]["likeness"],
        "gallery": _gallery(contents),
    }


def _verdict(facts: Facts) -> Iterator[str]:
    """Say in sentences what the gate decided about the images of one method."""
    refused, runs = [one for one in facts if not one["passed"]], plural(len(facts), "run")
    n = min(one["overall"]["n_synthetic"] for one in facts)
    share = max(one["detectable"] for one in facts)
    if refused:
        yield f"Not to be released: refused in {len(refused)} of {runs}."
        yield from refused[0]["reasons"]
    else:
        yield f"May be released: in {runs}, no near copy and no trace of who was in training was found."
    yield f"With {plural(n, 'image')} looked at in each run, copies are noticed from a share of {share:.1%} on."


def _rows(facts: Facts) -> dict[str, Any]:
    """Give for each class, the whole first where there are several, its cells over the runs of a method."""
    found: dict[str, list[Any]] = {}
    for one in facts:
        for scope in (
            [one["overall"], *one["classes"]] if len(one["classes"]) > 1 else one["classes"]
        ):
            found.setdefault(scope["name"], []).append(scope)
    return {name: list(cells(scopes).values()) for name, scopes in found.items()}


def _gallery(contents: Contents) -> dict[str, list[Couple]]:
    path = stored(contents.folder, "memorization", "pairs.npz")
    if path is None:
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        pairs = {name: arrays[name] for name in arrays.files}
    span = value_range(pairs["real"])
    gallery = {}
    for name in dict.fromkeys(pairs["method"].tolist()):
        rows = np.flatnonzero(pairs["method"] == name)[:SHOWN]
        names = [contents.class_names[label] for label in pairs["label"][rows]]
        gallery[name] = couples({key: values[rows] for key, values in pairs.items()}, names, span)
    return gallery

"""The page of an audit: the verdict, the numbers of each class, near copies beside their originals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import equipoise
from equipoise.arrays import Images, value_range
from equipoise.atomic import atomic_file
from equipoise.report.formatting import decimal, interval
from equipoise.report.html import environment
from equipoise.report.near_copies import COLUMNS, cells, couples

SHOWN = 24  # pairs: each is a picture in the page


def write_audit_page(
    path: Path,
    facts: Mapping[str, Any],
    synthetic: Images,
    real: Images,
    class_names: Sequence[str],
) -> None:
    """Write one HTML file that needs no other.

    Args:
        path: Where to.
        facts: audit.json.
        synthetic: The synthetic images.
        real: The real images that they were compared with, in the order of the audit's training images.
        class_names: Names of the classes.
    """
    pairs = facts["audit"]["pairs"][:SHOWN]
    columns = {
        key: np.array([pair[key] for pair in pairs])
        for key in ("synthetic", "train", "likeness", "copy")
    }
    shown = {
        **columns,
        "synthetic": synthetic[columns["synthetic"]],
        "real": real[columns["train"]],
    }
    names = [f"{class_names[pair['label']]}, {facts['files'][pair['synthetic']]}" for pair in pairs]
    scopes = [facts["audit"]["overall"], *facts["audit"]["classes"]]
    page = (
        environment()
        .get_template("audit.html")
        .render(
            facts=facts,
            audit=facts["audit"],
            columns=list(COLUMNS.values()),
            rows={
                one["name"]: list(cells([one]).values())
                for one in (scopes if len(scopes) > 2 else scopes[1:])
            },
            quality=[_quality(one) for one in facts["quality"]],
            couples=couples(shown, names, value_range(real)),
            version=equipoise.__version__,
        )
    )
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _quality(found: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    kernel = [
        (decimal(one["value"]), interval(one["low"], one["high"])) if one else _UNKNOWN
        for one in _both(found)
    ]
    shares = found["prdc"] or dict.fromkeys(("precision", "recall", "density", "coverage"))
    return found["name"], [
        (f"{found['n']:,}", ""),
        *kernel,
        *((decimal(value, 2), "") for value in shares.values()),
    ]


def _both(found: Mapping[str, Any]) -> list[Any]:
    return [found["kid"], found["floor"]]


_UNKNOWN = (decimal(None), "")

"""The simulation of the rule of quality, tiny; and what its committed output has to show."""

from pathlib import Path
from typing import Any

import pytest
from simulations.quality import KINDS, REAL, Films, simulate

from equipoise.atomic import read_json

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "simulations" / "quality.json"


@pytest.fixture(scope="module")
def rows() -> dict[tuple[int, str], Any]:
    committed = {}
    for row in read_json(RESULTS)["rows"]:
        committed[row["images"], row["kind"]] = row
    return committed


def test_it_runs_and_repeats_itself() -> None:
    films = Films(120)
    first: Any
    again: Any
    first, again = (simulate(films, (30,), 2, 1) for _ in range(2))
    assert first == again
    assert [row["kind"] for row in first] == list(KINDS)
    for row in first:
        total = row["passed"] + row["refused"] + row["not measured"]
        assert total == pytest.approx(1)
    by_kind = {row["kind"]: row for row in first}
    assert by_kind["constant"]["refused"] == by_kind["white noise"]["refused"] == 1


def test_real_images_are_refused_in_at_most_2_percent(rows: dict[tuple[int, str], Any]) -> None:
    sizes = sorted({images for images, _ in rows})
    assert len(sizes) == 3
    for images in sizes:
        assert rows[images, REAL]["refused"] <= 0.02
        assert rows[images, REAL]["replications"] >= 100
    assert rows[sizes[-1], REAL]["passed"] >= 0.95


def test_spoiled_images_never_pass_from_60_images_on(rows: dict[tuple[int, str], Any]) -> None:
    for (images, kind), row in rows.items():
        if kind != REAL and images >= 60:
            assert row["passed"] == 0, (images, kind)
            assert row["refused"] >= 0.95, (images, kind)

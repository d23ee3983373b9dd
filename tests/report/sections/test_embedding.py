"""The section on the map: each mark is what its row says, with words on how to read it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from equipoise.atomic import write_json
from equipoise.report.html import write_report
from equipoise.report.run_contents import read_contents
from equipoise.report.sections.embedding import Mark, Scatter, scatter, view

MakeRun = Callable[..., Path]


def with_map(run: Path, n_classes: int = 2) -> Path:
    """Two methods on a line: real training at 0, real held-out at 1, synthetic at 2 and 3."""
    part = np.repeat([0, 1, 2, 2], 6)
    method = np.repeat([-1, -1, 0, 1], 6)
    label = np.arange(24) % n_classes
    points = np.stack([np.repeat([0.0, 1.0, 2.0, 3.0], 6), np.arange(24)], axis=1).astype(
        np.float32
    )
    folder = run / "evidence" / "embedding"
    folder.mkdir(parents=True)
    np.savez(folder / "coordinates.npz", points=points, part=part, label=label, method=method)
    one = {"method": "dcgan", "label": 1, "share": 0.125, "chance": 0.5, "n": 40}
    facts = {
        "methods": ["dcgan", "cdcgan"],
        "split": "split-0",
        "seed": 0,
        "judge": "none",
        "most": 300,
        "settings": {"perplexity": 7.6666666, "divergence": 0.2},
        "mixing": [{**one, "one": "synthetic", "other": "held-out"}],
    }
    write_json(folder / "embedding.json", facts)
    return run


def test_each_point_is_drawn_with_its_own_mark(make_run: MakeRun) -> None:
    """Training at the left, held-out, then the method's synthetic images; rare class filled."""
    found = view(read_contents(with_map(make_run())))
    assert found is not None
    for chart, place in zip(found.charts, (2, 3), strict=True):
        clouds = {cloud.mark.key: cloud.points.split() for cloud in chart.clouds}
        assert {key: len(points) for key, points in clouds.items()} == dict.fromkeys(
            ("training-0", "training-1", "held-out-0", "held-out-1", "synthetic-0", "synthetic-1"),
            3,
        )
        left = {
            key: {int(point.split(",")[0]) for point in points} for key, points in clouds.items()
        }
        unit = (320 - 2 * 8) / 23
        for part, x in (("training", 0), ("held-out", 1), ("synthetic", place)):
            assert left[f"{part}-0"] == left[f"{part}-1"] == {round(8 + x * unit)}
        assert "3 synthetic, carcinoma" in chart.text
    shapes = {mark.key: (mark.path, mark.color) for mark in found.marks}
    assert len(set(shapes.values())) == 3
    assert len({path for path, _ in shapes.values()}) == 3


def test_more_classes_are_hollow_but_for_the_rare_one(make_run: MakeRun) -> None:
    found = view(
        read_contents(
            with_map(make_run(class_names=("a", "b", "c"), counts=(60, 50, 20)), n_classes=3)
        )
    )
    assert found is not None
    counts = {cloud.mark.key: len(cloud.points.split()) for cloud in found.charts[0].clouds}
    assert (counts["training-1"], counts["training-0"]) == (2, 4)


def test_the_page_says_how_to_read_the_map(make_run: MakeRun) -> None:
    page = write_report(with_map(make_run())).read_text(encoding="utf-8")
    for words in (
        "mean nothing on it",
        "perplexity 7.67",
        "12%",
        "50% expected",
        "40 images",
        "<h3>How well they mix</h3>",
    ):
        assert words in page
    for key in ("training-0", "synthetic-1"):
        assert page.count(f'id="mark-{key}"') == 1
        assert f'marker-mid="url(#mark-{key})"' in page


def test_without_a_map_the_section_is_left_out(make_run: MakeRun) -> None:
    run = make_run()
    assert view(read_contents(run)) is None
    assert "on one map" not in write_report(run).read_text(encoding="utf-8")


MARK = Mark("training", True, "real", "M0 0z", "#000")


def test_points_are_placed_to_one_scale_and_upward_is_up() -> None:
    extent = np.array([[0, 0], [10, 5]], dtype=np.float32)
    chart = scatter("a", "words", [(MARK, extent), (MARK, extent[:0])], extent)
    low, high = Scatter.MARGIN, Scatter.SIDE - Scatter.MARGIN
    assert [cloud.points for cloud in chart.clouds] == [f"{low},{high} {high},{Scatter.SIDE // 2}"]


def test_points_at_one_place_are_drawn() -> None:
    extent = np.ones((2, 2), dtype=np.float32)
    assert scatter("a", "words", [(MARK, extent)], extent).clouds[0].points == "8,312 8,312"

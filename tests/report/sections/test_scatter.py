"""Points are placed to one scale in every chart."""

import numpy as np

from equipoise.report.sections.embedding import Mark, Scatter, scatter

MARK = Mark("real", "real-1", "M0 0z", "#000", filled=True)


def test_points_are_placed_to_one_scale_and_upward_is_up() -> None:
    extent = np.array([[0, 0], [10, 5]], dtype=np.float32)
    chart = scatter("a", "words", [(MARK, extent), (MARK, extent[:0])], extent)
    low, high = Scatter.MARGIN, Scatter.SIDE - Scatter.MARGIN
    assert [cloud.points for cloud in chart.clouds] == [f"{low},{high} {high},{Scatter.SIDE // 2}"]


def test_points_at_one_place_are_drawn() -> None:
    extent = np.ones((2, 2), dtype=np.float32)
    assert scatter("a", "words", [(MARK, extent)], extent).clouds[0].points == "8,312 8,312"

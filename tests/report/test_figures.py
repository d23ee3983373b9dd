"""Places, ticks and curves of the figures."""

import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from equipoise.report.figures import (
    Axis,
    Style,
    interval_axis,
    mean_curve,
    padded,
    round_values,
    run_panel,
    styles_of,
    thinned,
)

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


@settings(deadline=None, max_examples=60)
@given(st.lists(FINITE, min_size=1, max_size=8))
@example([0.0, 1.4654006771957893e-12])
def test_ticks_are_few_round_and_inside(values: list[float]) -> None:
    low, high = padded(values)
    ticks = round_values(low, high)
    assert 1 <= len(ticks) <= 6
    air = 1e-6 * (high - low)
    assert all(low - air <= tick <= high + air for tick in ticks)


def test_ticks_of_the_unit_axis() -> None:
    assert round_values(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def test_an_axis_places_its_ends() -> None:
    axis = Axis((-1.0, 3.0), 46, 346)
    assert (axis.place(-1.0), axis.place(1.0), axis.place(3.0)) == (46, 196, 346)


def test_intervals_that_are_not_known_leave_zero_on_the_axis() -> None:
    assert 0 < interval_axis([math.nan, math.nan]).place(0.0) < 100
    assert (
        0
        < interval_axis([0.2, 0.4, math.nan]).place(0.0)
        < interval_axis([0.2, 0.4]).place(0.4)
        < 100
    )


def test_no_two_of_thirteen_methods_look_alike() -> None:
    names = [f"method-{i}" for i in range(13)]
    styles = styles_of(names, ink="method-3")
    assert list(styles) == names
    assert len(set(styles.values())) == 13
    assert styles["method-3"].color not in {
        style.color for name, style in styles.items() if name != "method-3"
    }


def test_the_mean_uses_steps_that_all_runs_share() -> None:
    assert mean_curve([[(1, 0.0), (2, 1.0)], [(1, 1.0), (2, 2.0), (3, 9.0)]]) == [
        (1, 0.5),
        (2, 1.5),
    ]
    assert mean_curve([[(1, 0.0)], [(2, 1.0)]]) == [(1, 0.0), (2, 1.0)]


def test_thinning_keeps_the_ends() -> None:
    curve = [(float(i), float(i)) for i in range(1000)]
    kept = thinned(curve)
    assert len(kept) == 120
    assert (kept[0], kept[-1]) == (curve[0], curve[-1])


def test_one_run_is_drawn_strong_and_not_faint() -> None:
    panel = run_panel(
        "loss", {"a": [[(1, 0.5), (2, 0.4)]], "b": []}, {"a": Style("#000")}, x_label="steps"
    )
    assert panel is not None
    assert [(line.label, line.faint) for line in panel.lines] == [("a", False)]


def test_values_that_are_not_numbers_are_not_drawn() -> None:
    panel = run_panel(
        "loss", {"a": [[(1, 0.5), (2, math.inf)]]}, {"a": Style("#000")}, x_label="steps"
    )
    assert panel is not None
    assert list(panel.lines[0].points) == [(1, 0.5)]


def test_nothing_recorded_is_no_panel() -> None:
    assert run_panel("loss", {"a": [[]]}, {"a": Style("#000")}, x_label="steps") is None

"""Geometry of the figures: numbers in, positions out; the templates draw them as inline SVG.

Drawn by hand rather than with Matplotlib: text stays text in the page's own font, intervals follow the width of the
screen, a panel is a tenth of the size, and the same input gives the same bytes.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

Point = tuple[float, float]
Curve = Sequence[Point]
Span = tuple[float, float]

INK = "#3b4048"
# Okabe and Ito's color-blind safe colors; their yellow is left out because it fades on white paper.
OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("", "7 3", "2 3")
MAX_POINTS = 120  # of a drawn curve: more cannot be seen at this size


@dataclass(frozen=True)
class Style:
    """How a method looks in every figure."""

    color: str
    dash: str = ""


def styles_of(names: Sequence[str], *, ink: str | None = None) -> dict[str, Style]:
    """Give each name a color, `ink` the dark one; dashes tell apart the colors that come twice."""
    colored = [name for name in names if name != ink]
    n = len(OKABE_ITO)
    styles = {
        name: Style(OKABE_ITO[i % n], DASHES[i // n % len(DASHES)])
        for i, name in enumerate(colored)
    }
    return {name: styles.get(name, Style(INK)) for name in names}


@dataclass(frozen=True)
class Line:
    """One curve of a panel; a faint one is a single run behind a mean."""

    label: str
    points: Curve
    style: Style
    faint: bool = False


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: where it is and what is written there."""

    place: float
    text: str


@dataclass(frozen=True)
class Axis:
    """A linear axis from `start` to `end` in drawing units, which show the values of `span`."""

    span: Span
    start: float
    end: float

    def place(self, value: float) -> float:
        """Turn a value into drawing units."""
        low, high = self.span
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[Tick]:
        """Marks at round values."""
        return [Tick(self.place(value), number(value)) for value in round_values(*self.span)]


@dataclass(frozen=True)
class Panel:
    """A line chart in a drawing of `WIDTH` x `HEIGHT` units; `chance` is a dotted line from left to right."""

    WIDTH: ClassVar[int] = 360
    HEIGHT: ClassVar[int] = 250

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    x_span: Span
    y_span: Span
    chance: Span | None = None

    @property
    def x(self) -> Axis:
        """The horizontal axis."""
        return Axis(self.x_span, 46, self.WIDTH - 16)

    @property
    def y(self) -> Axis:
        """The vertical axis; drawing units grow downwards."""
        return Axis(self.y_span, self.HEIGHT - 40, 10)

    @property
    def named(self) -> list[Line]:
        """The lines that a legend lists."""
        return [line for line in self.lines if not line.faint]

    def path(self, line: Line) -> str:
        """Write a line as the `points` of an SVG polyline."""
        return " ".join(f"{self.x.place(x):g},{self.y.place(y):g}" for x, y in thinned(line.points))


def unit_panel(
    title: str, lines: Sequence[Line], *, x_label: str, y_label: str, chance: Span
) -> Panel:
    """Draw curves whose axes go from 0 to 1, and what chance reaches at 0 and at 1."""
    return Panel(title, x_label, y_label, lines, (0.0, 1.0), (0.0, 1.0), chance)


def run_panel(
    title: str, runs: Mapping[str, Iterable[Curve]], styles: Mapping[str, Style], *, x_label: str
) -> Panel | None:
    """Draw the mean of each name's runs over the runs themselves; None where nothing was recorded."""
    recorded = {
        name: [run for curve in curves if (run := finite(curve))] for name, curves in runs.items()
    }
    recorded = {name: curves for name, curves in recorded.items() if curves}
    points = [point for curves in recorded.values() for run in curves for point in run]
    if not points:
        return None
    faint = [
        Line(n, run, styles[n], faint=True)
        for n, curves in recorded.items()
        if len(curves) > 1
        for run in curves
    ]
    means = [Line(n, mean_curve(curves), styles[n]) for n, curves in recorded.items()]
    x_span = (0.0, max(x for x, _ in points) or 1.0)
    return Panel(title, x_label, "", [*faint, *means], x_span, padded(y for _, y in points))


def interval_axis(values: Iterable[float]) -> Axis:
    """Make an axis in percent of the width that holds zero and all values; what is not a number is skipped."""
    return Axis(padded([0.0, *filter(math.isfinite, values)]), 0, 100)


def round_values(low: float, high: float, *, most: int = 6) -> list[float]:
    """List at most `most` round numbers from `low` to `high`."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * m for m in (1, 2, 2.5, 5, 10, 20) if (high - low) / (power * m) <= most - 1)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


def number(value: float) -> str:
    """Write a tick: 0.25, 1,500, 2e+06."""
    text = f"{value:,g}" if abs(value) < 1e6 else f"{value:g}"
    return text.replace("-", "\N{MINUS SIGN}")


def finite(curve: Curve) -> Curve:
    """Leave out the points whose value is not a number."""
    return [point for point in curve if math.isfinite(point[1])]


def thinned(points: Curve, most: int = MAX_POINTS) -> list[Point]:
    """Keep at most `most` points, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


def padded(values: Iterable[float]) -> Span:
    """Give the span of values with a little air around; never empty."""
    known = list(values)
    low, high = min(known), max(known)
    air = 0.05 * (high - low) or 0.5 * max(abs(high), 1e-3)
    return low - air, high + air


def mean_curve(runs: Sequence[Curve]) -> list[Point]:
    """Average runs at the steps that all of them recorded, or at all steps where they share none."""
    values: dict[float, list[float]] = defaultdict(list)
    for run in runs:
        for x, y in run:
            values[x].append(y)
    shared = [x for x, ys in values.items() if len(ys) == len(runs)]
    return [(x, sum(values[x]) / len(values[x])) for x in sorted(shared or values)]

"""Geometry of the figures: numbers in, positions out; the templates draw them as inline SVG.

Drawn by hand rather than with Matplotlib: text stays text in the page's own font, a panel is a tenth of the size,
and the same input gives the same bytes.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Point = tuple[float, float]
Span = tuple[float, float]

# Okabe and Ito's color-blind safe colors; their yellow is left out because it fades on white paper.
INK = "#3b4048"
OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("", "7 3", "2 2.5")
MAX_POINTS = 120  # of a drawn line: more cannot be seen at this size


@dataclass(frozen=True)
class Style:
    """How a method looks in every figure."""

    color: str
    dash: str = ""


def method_styles(methods: Sequence[str], baseline: str) -> dict[str, Style]:
    """Give each method a color of its own, the baseline ink; dashes tell colors apart that come twice."""
    others = [method for method in methods if method != baseline]
    n = len(OKABE_ITO)
    styles = {m: Style(OKABE_ITO[i % n], DASHES[i // n % len(DASHES)]) for i, m in enumerate(others)}
    return {baseline: Style(INK), **styles}


@dataclass(frozen=True)
class Line:
    """One curve of a panel; a faint one is a single run behind a mean."""

    label: str
    points: Sequence[Point]
    style: Style
    faint: bool = False


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: its place in the drawing and what is written there."""

    place: float
    text: str


@dataclass(frozen=True)
class Panel:
    """A line chart with linear axes, in a drawing of `width` x `height` units."""

    title: str
    description: str
    x_label: str
    lines: Sequence[Line]
    x_span: Span
    y_span: Span
    diagonal: bool = False
    legend: Sequence[Line] = field(default=())
    width: float = 360.0
    height: float = 250.0
    left: float = 44.0
    right: float = 14.0
    top: float = 10.0
    bottom: float = 38.0

    def x(self, value: float) -> float:
        """Place a value on the horizontal axis."""
        low, high = self.x_span
        return round(self.left + (value - low) / (high - low) * (self.width - self.left - self.right), 1)

    def y(self, value: float) -> float:
        """Place a value on the vertical axis."""
        low, high = self.y_span
        return round(self.height - self.bottom - (value - low) / (high - low) * self.inner_height, 1)

    @property
    def inner_height(self) -> float:
        """Height of the plotted area."""
        return self.height - self.top - self.bottom

    @property
    def x_ticks(self) -> list[Tick]:
        """Marks of the horizontal axis."""
        return [Tick(self.x(value), number(value)) for value in round_values(*self.x_span)]

    @property
    def y_ticks(self) -> list[Tick]:
        """Marks of the vertical axis."""
        return [Tick(self.y(value), number(value)) for value in round_values(*self.y_span)]

    def path(self, line: Line) -> str:
        """Write a line as the `points` of an SVG polyline."""
        return " ".join(f"{self.x(x):g},{self.y(y):g}" for x, y in thinned(line.points))


def round_values(low: float, high: float, *, most: int = 6) -> list[float]:
    """List at most `most` round numbers from `low` to `high`."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * m for m in (1, 2, 2.5, 5, 10, 20) if (high - low) / (power * m) <= most - 1)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


def number(value: float) -> str:
    """Write a tick: 0.25, 1,500, 2e+06."""
    return f"{value:,g}".replace("-", "\N{MINUS SIGN}") if abs(value) < 1e6 else f"{value:g}"


def thinned(points: Sequence[Point], most: int = MAX_POINTS) -> list[Point]:
    """Keep at most `most` points, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


def padded(values: Iterable[float]) -> Span:
    """Give the span of values with a little air; never empty."""
    values = list(values)
    low, high = min(values), max(values)
    air = 0.05 * (high - low) or 0.5 * max(abs(high), 1e-3)
    return low - air, high + air


def mean_curve(runs: Iterable[Sequence[Point]]) -> list[Point]:
    """Average runs at each step that all of them reached, or that any did where none is common to all."""
    values: dict[float, list[float]] = defaultdict(list)
    runs = list(runs)
    for run in runs:
        for x, y in run:
            values[x].append(y)
    common = [x for x, ys in values.items() if len(ys) == len(runs)]
    return [(x, sum(values[x]) / len(values[x])) for x in sorted(common or values)]


def curve_panel(
    title: str, runs: Mapping[str, Sequence[Sequence[Point]]], styles: Mapping[str, Style], *, x_label: str
) -> Panel | None:
    """Draw the mean of each label's runs over the runs themselves; None where nothing was recorded.

    Args:
        title: What the vertical axis shows.
        runs: {label: one curve for each run}.
        styles: A style for each label.
        x_label: What the horizontal axis shows.
    """
    runs = {label: [run for run in curves if run] for label, curves in runs.items()}
    runs = {label: curves for label, curves in runs.items() if curves}
    points = [point for curves in runs.values() for curve in curves for point in curve]
    if not points:
        return None
    several = {label for label, curves in runs.items() if len(curves) > 1}
    faint = [Line(label, run, styles[label], faint=True) for label in several_first(runs, several) for run in runs[label]]
    means = [Line(label, mean_curve(curves), styles[label]) for label, curves in runs.items()]
    return Panel(
        title=title,
        description=f"{title}: lines for {', '.join(runs)}.",
        x_label=x_label,
        lines=[*faint, *means],
        legend=means,
        x_span=padded_right(x for x, _ in points),
        y_span=padded(y for _, y in points),
    )

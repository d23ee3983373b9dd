"""Geometry of the charts: numbers in, positions out; the templates draw them as inline SVG.

Matplotlib is not used: here text stays text in the page's own font, intervals follow the
width of the screen, a chart takes a tenth of the bytes, and the same input gives the same bytes.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

Point = tuple[float, float]
Curve = Sequence[Point]
Span = tuple[float, float]

INK = "currentColor"  # dark on white paper, light on black
# Okabe and Ito's color-blind safe colors; their yellow is left out because it fades on white paper.
OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("", "7 3", "2 3")
MAX_POINTS = 120  # per curve: more cannot be seen at this size


@dataclass(frozen=True)
class Style:
    """How a method looks in every figure."""

    color: str
    dash: str = ""


def styles_of(names: Sequence[str], *, ink: str | None = None) -> dict[str, Style]:
    """Return a style for each name; `ink` gets the dark color, and repeated colors get dashes.

    Example:
        >>> styles_of(["none", "dcgan"], ink="none")["dcgan"].color
        '#0072b2'
    """
    n_colors = len(OKABE_ITO)
    styles: dict[str, Style] = {}
    n_colored = 0
    for name in names:
        if name == ink:
            styles[name] = Style(INK)
            continue
        dash = DASHES[n_colored // n_colors % len(DASHES)]
        styles[name] = Style(OKABE_ITO[n_colored % n_colors], dash)
        n_colored += 1
    return styles


@dataclass(frozen=True)
class ChartLine:
    """One curve of a panel; a faint one is a single run behind a mean."""

    label: str
    points: Curve
    style: Style
    faint: bool = False


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: its place in drawing units and its text."""

    place: float
    text: str


@dataclass(frozen=True)
class Axis:
    """A linear axis: the values of `span` lie between `start` and `end` in drawing units."""

    span: Span
    start: float
    end: float

    def place(self, value: float) -> float:
        """Convert a value to drawing units."""
        low, high = self.span
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[Tick]:
        """Marks at round values."""
        return [Tick(self.place(value), number(value)) for value in round_values(*self.span)]


@dataclass(frozen=True)
class Panel:
    """A line chart in a drawing of `WIDTH` x `HEIGHT` units.

    Attributes:
        chance: Values of a dotted line at the left and at the right end; None for no such line.
    """

    WIDTH: ClassVar[int] = 360
    HEIGHT: ClassVar[int] = 250

    title: str
    x_label: str
    y_label: str
    lines: Sequence[ChartLine]
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
    def named(self) -> list[ChartLine]:
        """The lines that the legend lists."""
        return [line for line in self.lines if not line.faint]

    def path(self, line: ChartLine) -> str:
        """Return a line as the `points` of an SVG polyline."""
        x_axis, y_axis = self.x, self.y
        return " ".join(f"{x_axis.place(x):g},{y_axis.place(y):g}" for x, y in thinned(line.points))


def unit_panel(
    title: str, lines: Sequence[ChartLine], *, x_label: str, y_label: str, chance: Span
) -> Panel:
    """Build a chart whose axes go from 0 to 1, with the line that chance reaches."""
    return Panel(title, x_label, y_label, lines, (0.0, 1.0), (0.0, 1.0), chance)


def run_panel(
    title: str, runs: Mapping[str, Iterable[Curve]], styles: Mapping[str, Style], *, x_label: str
) -> Panel | None:
    """Build a chart of the mean over each name's runs, with the single runs faint behind it.

    Returns:
        The chart; None where nothing was recorded.
    """
    points: list[Point] = []
    faint: list[ChartLine] = []
    means: list[ChartLine] = []
    for name, curves in runs.items():
        recorded = [curve for curve in map(finite, curves) if curve]
        if not recorded:
            continue
        for curve in recorded:
            points += curve
            if len(recorded) > 1:
                faint.append(ChartLine(name, curve, styles[name], faint=True))
        means.append(ChartLine(name, mean_curve(recorded), styles[name]))
    if not points:
        return None
    x_values, y_values = zip(*points, strict=True)
    x_span = (0.0, max(x_values) or 1.0)
    return Panel(title, x_label, "", [*faint, *means], x_span, padded(y_values))


LEAST_DIFFERENCE = 0.01  # on an axis of differences


def interval_axis(values: Iterable[float]) -> Axis:
    """Return an axis in percent of the width that covers zero and all finite values.

    It covers at least `LEAST_DIFFERENCE` on both sides: differences that do not vary must not look
    large.
    """
    ends = [-LEAST_DIFFERENCE, LEAST_DIFFERENCE]
    return Axis(padded([*ends, *filter(math.isfinite, values)]), 0, 100)


def round_values(low: float, high: float, *, most: int = 6) -> list[float]:
    """Return at most `most` round numbers from `low` to `high`.

    Example:
        >>> round_values(0.0, 1.0)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    exponent = math.floor(math.log10((high - low) / most))
    power = 10.0**exponent
    for multiple in (1, 2, 2.5, 5, 10, 20):
        step = power * multiple
        if (high - low) / step <= most - 1:
            break
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = 2 - exponent  # far below a step: rounding only removes what floats add
    return [round(i * step, digits) + 0.0 for i in range(first, last + 1)]


def number(value: float) -> str:
    """Return the text of a tick: 0.25, 1,500 or 2e+06."""
    text = f"{value:,g}" if abs(value) < 1e6 else f"{value:g}"
    return text.replace("-", "\N{MINUS SIGN}")


def finite(curve: Curve) -> list[Point]:
    """Return the points of a curve whose value is finite."""
    return [point for point in curve if math.isfinite(point[1])]


def thinned(points: Curve, most: int = MAX_POINTS) -> list[Point]:
    """Return at most `most` points, among them the first and the last."""
    if len(points) <= most:
        return list(points)
    step = len(points) - 1
    return [points[round(i * step / (most - 1))] for i in range(most)]


def padded(values: Iterable[float]) -> Span:
    """Return the span of values with a margin around it; it is never empty.

    Example:
        >>> padded([0.0, 1.0])
        (-0.05, 1.05)
    """
    values = list(values)
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.5 * max(abs(high), 1e-3)
    return low - margin, high + margin


def mean_curve(runs: Sequence[Curve]) -> list[Point]:
    """Return the mean of runs at the steps that all recorded, or at all steps if none is shared."""
    values: dict[float, list[float]] = defaultdict(list)
    for run in runs:
        for x, y in run:
            values[x].append(y)
    shared = [x for x, recorded in values.items() if len(recorded) == len(runs)]
    curve: list[Point] = []
    for x in sorted(shared or values):
        curve.append((x, sum(values[x]) / len(values[x])))
    return curve

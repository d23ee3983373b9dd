"""The page of a ranking: the critical-difference diagram, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import equipoise
from equipoise.atomic import atomic_file
from equipoise.metrics.classic_tests import FEWEST_PAIRS
from equipoise.metrics.classification import METRICS
from equipoise.report.figures import Axis, Point, Span
from equipoise.report.formatting import decimal, p_value, sentence_case
from equipoise.report.html import TEMPLATES
from equipoise.results.comparison import SIGNIFICANCE
from equipoise.results.ranking import Ranking


@dataclass(frozen=True)
class Label:
    """A method of the diagram: its name and the line from its average rank to it."""

    name: str
    rank: str
    left: bool
    line: Sequence[Point]

    @property
    def points(self) -> str:
        """The line as the `points` of an SVG polyline."""
        return " ".join(f"{x:g},{y:g}" for x, y in self.line)


@dataclass(frozen=True)
class Diagram:
    """Positions of a critical-difference diagram (Demsar 2006, fig. 1), the best rank on the left.

    Attributes:
        axis: Ranks 1..k.
        labels: The methods, half of them on either side.
        bars: (start, end) and height of each group of methods that cannot be told apart.
        critical: Start and end of the bar as long as the critical difference.
        height: Of the drawing, in its own units.
    """

    WIDTH: ClassVar[int] = 720
    TOP: ClassVar[int] = 62  # of the axis
    ROW: ClassVar[int] = 24

    axis: Axis
    labels: Sequence[Label]
    bars: Sequence[tuple[Span, int]]
    critical: Span
    height: int


def draw(ranking: Ranking) -> Diagram:
    """Place everything."""
    k, top, row = len(ranking.methods), Diagram.TOP, Diagram.ROW
    axis = Axis((1.0, float(k)), 190, Diagram.WIDTH - 190)
    first = top + 12 + 9 * len(ranking.cliques) + row
    half = (k + 1) // 2
    labels = [
        _label(name, rank, axis, left=i < half, y=first + row * (i if i < half else k - 1 - i))
        for i, (name, rank) in enumerate(zip(ranking.methods, ranking.ranks, strict=True))
    ]
    places = [axis.place(rank) for rank in ranking.ranks]
    bars = [
        ((places[i] - 4, places[j] + 4), top + 12 + 9 * n)
        for n, (i, j) in enumerate(ranking.cliques)
    ]
    width = axis.place(1 + ranking.critical_difference) - axis.start
    return Diagram(axis, labels, bars, (axis.start, axis.start + width), first + row * half)


def _label(name: str, rank: float, axis: Axis, *, left: bool, y: int) -> Label:
    x, edge = axis.place(rank), axis.start - 20 if left else axis.end + 20
    return Label(name, decimal(rank, 2), left, [(x, Diagram.TOP), (x, y), (edge, y)])


def sentences(ranking: Ranking) -> list[str]:
    """Say what a ranking shows, for someone who knows the disease and not the statistics."""
    n, k, label = ranking.n_sets, len(ranking.methods), METRICS[ranking.metric].label
    found = "do not rank alike" if ranking.p < SIGNIFICANCE else "cannot be told apart"
    said = [
        f"On {n} data sets the {k} methods {found} in {label} (Friedman's test: chi-squared {ranking.chi2:.2f}, "
        f"F {ranking.f:.2f}, p {p_value(ranking.p)}).",
        f"Average ranks that differ by less than {ranking.critical_difference:.2f} cannot be told apart (Nemenyi).",
    ]
    if n < FEWEST_PAIRS:
        said.append(
            f"With fewer than {FEWEST_PAIRS} data sets no pair can be told apart by Wilcoxon's test."
        )
    groups = [", ".join(ranking.methods[i : j + 1]) for i, j in ranking.cliques]
    said += [
        f"Not told apart by Wilcoxon's test, corrected over all pairs: {group}." for group in groups
    ]
    if ranking.left_out:
        said.append(f"Left out, because not every run has them: {', '.join(ranking.left_out)}.")
    return said


def write_ranking(ranking: Ranking, folders: Sequence[Path], path: Path) -> Path:
    """Write the page, one file that needs no other, and return its path.

    Raises:
        SettingError: The folder cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template("ranking.html").render(
        label=sentence_case(METRICS[ranking.metric].label),
        diagram=draw(ranking),
        sentences=sentences(ranking),
        runs=[folder.name for folder in folders],
        version=equipoise.__version__,
    )
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path

"""The page of a ranking: the critical-difference diagram and its sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import equipoise
from equipoise.atomic import atomic_file
from equipoise.metrics.classic_tests import FEWEST_PAIRS
from equipoise.report.figures import Axis, Point, Span
from equipoise.report.formatting import decimal, p_value, sentence_case
from equipoise.report.html import environment
from equipoise.results.comparison import SIGNIFICANCE
from equipoise.results.ranking import RANKED, Ranking


@dataclass(frozen=True)
class MethodLabel:
    """A method of the diagram: its name and the line from its average rank to the name."""

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
    """Positions of a critical-difference diagram, the best rank on the left.

    Source: Demsar (2006), Figure 1.

    Attributes:
        axis: Ranks 1..k.
        labels: The methods, half of them on either side.
        bars: (start, end) and height of each group of methods without a detectable difference.
        critical: Start and end of the bar as long as the critical difference.
        height: Height of the drawing, in its own units.
    """

    WIDTH: ClassVar[int] = 720
    TOP: ClassVar[int] = 62  # of the axis
    ROW: ClassVar[int] = 24

    axis: Axis
    labels: Sequence[MethodLabel]
    bars: Sequence[tuple[Span, int]]
    critical: Span
    height: int


def draw(ranking: Ranking) -> Diagram:
    """Return the positions of everything in the diagram."""
    n_methods, top, row_height = len(ranking.methods), Diagram.TOP, Diagram.ROW
    axis = Axis((1.0, float(n_methods)), 190, Diagram.WIDTH - 190)
    first_row = top + 12 + 9 * len(ranking.cliques) + row_height
    half = (n_methods + 1) // 2
    labels = []
    for i, (name, rank) in enumerate(zip(ranking.methods, ranking.ranks, strict=True)):
        left = i < half
        y = first_row + row_height * (i if left else n_methods - 1 - i)
        edge = axis.start - 20 if left else axis.end + 20
        x = axis.place(rank)
        line = [(x, top), (x, y), (edge, y)]
        labels.append(MethodLabel(name, decimal(rank, 2), left, line))
    bars = []
    for n, (first, last) in enumerate(ranking.cliques):
        start, end = axis.place(ranking.ranks[first]), axis.place(ranking.ranks[last])
        bars.append(((start - 4, end + 4), top + 12 + 9 * n))
    width = axis.place(1 + ranking.critical_difference) - axis.start
    critical = (axis.start, axis.start + width)
    return Diagram(axis, labels, bars, critical, first_row + row_height * half)


def sentences(ranking: Ranking) -> list[str]:
    """Return what a ranking shows, for a reader who knows the disease and not the statistics."""
    n_sets, n_methods = len(ranking.sets), len(ranking.methods)
    label = RANKED[ranking.metric].label
    verdict = "differ detectably" if ranking.p < SIGNIFICANCE else "do not differ detectably"
    lines = [
        f"On {n_sets} data sets the {n_methods} methods {verdict} in {label} (Friedman's test: "
        f"chi-squared {ranking.chi2:.2f}, F {ranking.f:.2f}, p {p_value(ranking.p)}).",
        "Two methods whose average ranks differ by less than "
        f"{ranking.critical_difference:.2f} are not distinguished (Nemenyi's test).",
    ]
    if n_sets < FEWEST_PAIRS:
        lines.append(
            f"With fewer than {FEWEST_PAIRS} data sets Wilcoxon's test cannot distinguish any pair."
        )
    for first, last in ranking.cliques:
        group = ", ".join(ranking.methods[first : last + 1])
        lines.append(f"Not distinguished by Wilcoxon's test, corrected over all pairs: {group}.")
    if ranking.left_out:
        left_out = ", ".join(ranking.left_out)
        lines.append(f"Left out, because not every run has them: {left_out}.")
    return lines


def write_ranking(ranking: Ranking, path: Path) -> Path:
    """Write the page, one file that needs no other, and return its path.

    Raises:
        SettingError: The folder cannot be written.
    """
    page = (
        environment()
        .get_template("ranking.html")
        .render(
            label=sentence_case(RANKED[ranking.metric].label),
            diagram=draw(ranking),
            sentences=sentences(ranking),
            ranking=ranking,
            version=equipoise.__version__,
        )
    )
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path

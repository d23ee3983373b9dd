"""What the terminal shows after a run: the table of methods, the verdict, what to do."""

import math
from collections.abc import Sequence
from textwrap import wrap

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from equipoise.cli.terminal import Terminal
from equipoise.results.records import RANKING, Comparison, JudgmentWord, Results, Summary
from equipoise.runs.description import SEGMENTATION

LOG_WIDTH = 118  # characters of the table in a log file, with method names of `NAME_WIDTH`
NAME_WIDTH = 14
COLORS = {"better": "green", "ranks better": "green", "worse": "red"}
HEADING_WIDTH = 10  # characters of a line in the heading of a metric


def show_results(results: Results, advice: str, warnings: Sequence[str] = ()) -> None:
    """Print the table of methods, the verdict, what to do and, last, what is wrong.

    Args:
        results: The results.
        advice: What to do; empty where nothing can be advised.
        warnings: What failed, and what is wrong with how the methods were trained and tested.
    """
    console = Terminal()
    if not console.is_terminal:  # a log file has no width
        longest = max(len(method.method) for method in results.methods)
        console = Terminal(width=LOG_WIDTH + max(0, longest - NAME_WIDTH))
    console.print(results_table(results), markup=True)
    sentences = list(results.verdict)
    if results.contest is not None:
        sentences.append(results.contest.sentence)
    if advice:
        sentences.append(f"What to do: {advice}")
    for sentence in sentences:
        console.print(sentence, style="bold", soft_wrap=True, highlight=False)
    if warnings:
        console.print("Before you rely on this:", style="yellow")
    for warning in warnings:
        console.print(f"- {warning}", soft_wrap=True, highlight=False)


def results_table(results: Results) -> Table:
    """Return the table of methods: headline metrics, and the difference in the primary metric."""
    metrics, about = headline(results)
    label = results.metrics[results.decisive_metric].label
    table = Table(
        title=escape(f"{about}Mean ± sd; difference in {label}."),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1),
    )
    table.add_column("method", no_wrap=True)
    for name in metrics:
        heading = "\n".join(wrap(results.metrics[name].label, HEADING_WIDTH))
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(escape(f"minus {results.baseline}\n[95 % interval]"), no_wrap=True)
    table.add_column("p\n(Holm)", justify="right", no_wrap=True)
    table.add_column("verdict", min_width=13)
    comparisons = {row.method: row for row in results.compared_on(results.decisive_metric)}
    words = {judgment.method: judgment.word for judgment in results.judgments}
    for method in results.methods:
        means = [mean_text(method.metrics[name]) for name in metrics]
        comparison = comparisons.get(method.method)
        word = words.get(method.method)
        if not method.n_runs and method.n_failed and comparison is not None:
            table.add_row(escape(method.method), *means, "-", "-", "[red]failed[/]")
            continue
        table.add_row(escape(method.method), *means, *difference_cells(comparison, word))
    return table


def headline(results: Results) -> tuple[list[str], str]:
    """Return the metrics that a terminal has room for, and a sentence about the positive class."""
    if results.task == SEGMENTATION:
        return list(results.headline), ""
    positive = results.class_names[results.rare_class]
    metrics = dict.fromkeys((results.decisive_metric, RANKING, results.primary_metric))
    return list(metrics), f"Positive class: {positive}. "


def mean_text(summary: Summary) -> str:
    """Return mean and standard deviation over runs, or a dash without a run."""
    if not summary.n_runs:
        return "-"
    spread = f" ± {summary.sd:.3f}" if summary.n_runs > 1 else ""
    return f"{summary.mean:.3f}{spread}"


def difference_cells(row: Comparison | None, word: JudgmentWord | None) -> tuple[str, str, str]:
    """Return difference with its interval, p value and verdict; None is the baseline.

    Args:
        row: The comparison on the decisive metric.
        word: What is said of the method; that of the comparison where None.
    """
    if row is None:
        return "baseline", "", ""
    word = word or row.verdict
    color = COLORS.get(word, "default")
    verdict = f"[{color}]{word}[/]"
    if math.isnan(row.low):
        return "-", "-", verdict
    p_value = "<0.001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}"
    interval = f"{row.difference:+.3f} \\[{row.low:+.3f}, {row.high:+.3f}]"
    return interval, p_value, verdict

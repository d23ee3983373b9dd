"""One word for each method, from what it does at its own threshold, in ranking and as trained."""

from collections.abc import Iterator, Sequence

from equipoise.results.records import (
    RANKING,
    UNTESTED,
    Comparison,
    Judgment,
    JudgmentWord,
    Results,
)


def judge(results: Results) -> Iterator[Judgment]:
    """Yield the judgment of every method that is compared with the baseline."""
    by_metric: dict[str, dict[str, Comparison]] = {}
    for row in results.comparisons:
        by_metric.setdefault(row.metric, {})[row.method] = row
    as_trained = by_metric.get(results.primary_metric, {})
    if results.primary_metric == results.decisive_metric:
        as_trained = {}
    for method, decisive in by_metric.get(results.decisive_metric, {}).items():
        ranking = by_metric[RANKING][method]
        usual = as_trained.get(method)
        yield Judgment(
            method=method,
            word=_word(decisive, ranking, usual),
            decisive=decisive,
            ranking=ranking,
            as_trained=usual,
        )


def judged(word: JudgmentWord, judgments: Sequence[Judgment]) -> list[Judgment]:
    """Select by word, the largest decisive difference first."""
    selected = [judgment for judgment in judgments if judgment.word == word]
    return sorted(selected, key=lambda judgment: -abs(judgment.decisive.difference))


def _word(decisive: Comparison, ranking: Comparison, usual: Comparison | None) -> JudgmentWord:
    verdicts = (decisive.verdict, ranking.verdict)
    if "worse" in verdicts:
        return "mixed" if "better" in verdicts else "worse"
    if "better" in verdicts:
        return "better" if decisive.verdict == "better" else "ranks better"
    differs = usual is not None and usual.verdict in ("better", "worse")
    if differs and decisive.verdict != "not enough runs":
        return "moves the operating point"
    untested = decisive.verdict in UNTESTED and ranking.verdict in UNTESTED
    return decisive.verdict if untested else "no detectable difference"

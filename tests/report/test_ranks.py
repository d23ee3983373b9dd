"""The page of a ranking: everything in its place, escaped, complete in itself."""

import re
from dataclasses import replace
from pathlib import Path

from equipoise.report.ranks import draw, sentences, write_ranking
from equipoise.results.ranking import Ranking

RANKING = Ranking(
    metric="auroc",
    methods=("best", "good", "fair <b>", "poor", "worst"),
    ranks=(1.2, 1.9, 3.0, 4.1, 4.8),
    sets=("films", "cells", "skin<i>", *"abcdef"),
    values=tuple((0.9 - 0.1 * i, *[0.8 - 0.1 * i] * 8) for i in range(5)),
    chi2=30.1,
    f=40.9,
    p=1e-9,
    critical_difference=2.03,
    cliques=((0, 1), (1, 3)),
    left_out=("rare",),
)


def test_methods_hang_from_their_ranks_on_either_side() -> None:
    diagram = draw(RANKING)
    assert [label.left for label in diagram.labels] == [True, True, True, False, False]
    places = [label.line[0][0] for label in diagram.labels]
    assert places == sorted(places)
    assert places == [diagram.axis.place(rank) for rank in RANKING.ranks]
    assert all(label.line[2][1] < diagram.height for label in diagram.labels)
    on_the_left, on_the_right = (
        [one.line[2][1] for one in diagram.labels if one.left == side] for side in (True, False)
    )
    assert on_the_left == sorted(on_the_left)
    assert on_the_right == sorted(on_the_right, reverse=True)


def test_bars_cover_their_groups_and_the_critical_difference_is_to_scale() -> None:
    diagram = draw(RANKING)
    (first, first_height), (second, second_height) = diagram.bars
    assert (
        first[0]
        < diagram.axis.place(1.2)
        < diagram.axis.place(1.9)
        < first[1]
        < diagram.axis.place(3.0)
    )
    assert (
        second[0]
        < diagram.axis.place(1.9)
        < diagram.axis.place(4.1)
        < second[1]
        < diagram.axis.place(4.8)
    )
    assert (
        diagram.TOP
        < first_height
        < second_height
        < min(label.line[2][1] for label in diagram.labels)
    )
    unit = (diagram.axis.end - diagram.axis.start) / 4
    assert abs(diagram.critical[1] - diagram.critical[0] - 2.03 * unit) < 0.1


def test_what_a_ranking_says() -> None:
    said = sentences(RANKING)
    assert re.match(r"On 9 data sets the 5 methods differ .*AUROC \(Friedman", said[0])
    assert said[0].endswith("F 40.90, p < 0.001).")
    assert any(re.match("Not distinguished .*: good, fair <b>, poor", text) for text in said)
    assert re.match("Left out, .*: rare", said[-1])
    few = sentences(replace(RANKING, sets=RANKING.sets[:4], p=0.3, left_out=()))
    assert "do not differ" in few[0]
    assert any(re.match("With fewer than 6 data sets .*cannot", text) for text in few)


def test_the_page_is_escaped_complete_and_the_same_each_time(tmp_path: Path) -> None:
    text = write_ranking(RANKING, tmp_path / "new" / "cd.html").read_text(encoding="utf-8")
    assert text == write_ranking(RANKING, tmp_path / "cd.html").read_text(encoding="utf-8")
    assert text.lstrip().startswith("<!DOCTYPE html>")
    assert "<b>" not in text
    assert "<i>" not in text
    assert "fair &lt;b&gt; 3.00" in text
    assert "best 1.20, good 1.90" in text
    assert not re.search(r"https?:|@import|url\(|<script", text)
    assert text.count("<polyline") == 5
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", text)
    assert [row.count("</td>") for row in rows] == [10] * 5  # the rank and nine values
    assert "best</th>" in rows[0]
    assert rows[0].count('class="best"') == 9
    assert not any('class="best"' in row for row in rows[1:])
    assert re.search(r"0\.900</span>.*0\.800</span>", rows[0])

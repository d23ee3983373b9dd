"""Tables get a caption and their cells as CSV, in which numbers are numbers."""

import csv
import io
from html.parser import HTMLParser
from urllib.parse import unquote

from markupsafe import Markup

from equipoise.report.captions import captioned, csv_of

TABLE = Markup(
    "<table class='wide'><thead><tr><th>Method</th><th>AUROC ↓</th><th>Share</th></tr></thead>"
    "<tbody><tr><th><svg><text>9</text></svg>=1+1 <small>(baseline)</small></th>"
    "<td>0.85<small>0.8 to 0.9</small></td><td>60.0 %</td></tr>"
    "<tr><th>a&nbsp;&lt;b&gt;</th><td>\u22120.139<small>\u22120.67 to +0.39</small></td>"
    "<td>1,234</td></tr>"
    "<tr><td colspan='2'></td><td>\u2013</td></tr></tbody></table>"
)


def test_small_text_has_columns_of_its_own_and_minus_signs_are_plain() -> None:
    rows = list(csv.reader(io.StringIO(csv_of(TABLE))))
    assert rows == [
        ["Method", "", "AUROC ↓", "", "Share"],
        ["'=1+1", "(baseline)", "0.85", "0.8 to 0.9", "60.0 %"],
        ["a <b>", "", "-0.139", "'-0.67 to +0.39", "1234"],
        ["", "", "", "", "'-"],
    ]


def test_the_caption_names_the_table_and_links_to_the_same_cells() -> None:
    links: list[dict[str, str | None]] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "a":
                links.append(dict(attrs))

    html = captioned(TABLE, 'Metrics of "a" & <b>')
    assert html.startswith("<table class='wide'><caption><span>Metrics of &#34;a&#34; &amp; &lt;b")
    Links().feed(html)
    (link,) = links
    assert link["download"] == "metrics-of-a-b.csv"
    head, _, content = str(link["href"]).partition(",")
    assert head == "data:text/csv;charset=utf-8"
    assert unquote(content) == csv_of(TABLE)

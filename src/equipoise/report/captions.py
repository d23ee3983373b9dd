"""Each table of a page gets a caption, with a link that stores its cells as CSV."""

import io
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import quote

from markupsafe import Markup, escape

from equipoise.csv_cells import write_lines

TABLE = re.compile(r"<table\b[^>]*>")
SPACE = re.compile(r"\s+")
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*")
MINUS = str.maketrans({"−": "-", "–": "-", "\xad": None, "\u200b": None})  # noqa: RUF001


@dataclass
class TableCell:
    """A cell of a table: its text, and the small text below it."""

    text: str = ""
    small: str = ""
    columns: int = 1


@dataclass
class TableCells(HTMLParser):
    """Collects the cells of one table, row by row; drawings have none."""

    rows: list[list[TableCell]] = field(default_factory=list)
    _is_in_cell: bool = False
    _n_small: int = 0
    _n_drawings: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `html.parser.HTMLParser`."""
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append(TableCell(columns=int(dict(attrs).get("colspan") or 1)))
            self._is_in_cell = True
        self._n_small += tag == "small"
        self._n_drawings += tag == "svg"

    def handle_endtag(self, tag: str) -> None:
        """See `html.parser.HTMLParser`."""
        self._is_in_cell = self._is_in_cell and tag not in ("td", "th")
        self._n_small -= tag == "small"
        self._n_drawings -= tag == "svg"

    def handle_data(self, data: str) -> None:
        """See `html.parser.HTMLParser`."""
        if not self._is_in_cell or self._n_drawings:
            return
        cell = self.rows[-1][-1]
        if self._n_small:
            cell.small += f"{data} "
        else:
            cell.text += data


def captioned(table: Markup, label: str) -> Markup:
    """Return the HTML of a table with a caption and a link to its cells as CSV.

    Args:
        table: HTML with one table.
        label: The caption.

    Example:
        >>> html = captioned(Markup("<table><tr><td>0.8<small>[0.7, 0.9]</small></table>"), "AUROC")
        >>> str(html[:35]), "0.8%20%5B0.7%2C%200.9%5D" in html
        ('<table><caption><span>AUROC <a down', True)
    """
    content = quote(csv_of(table))
    name = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") or "table"
    link = Markup(
        '<a download="{}.csv" href="data:text/csv;charset=utf-8,{}" aria-label="{} as CSV">CSV</a>'
    ).format(name, content, label)
    caption = Markup("<caption><span>{} {}</span></caption>").format(escape(label), link)
    start = TABLE.search(table)
    if start is None:
        return table
    return Markup(table[: start.end()] + caption + table[start.end() :])  # noqa: S704


def csv_of(table: str) -> str:
    """Return the cells of a table as CSV; small text, such as intervals, has columns of its own."""
    parser = TableCells()
    parser.feed(str(table))
    n_columns = max((sum(cell.columns for cell in row) for row in parser.rows), default=0)
    grid = [_spread(row, n_columns) for row in parser.rows]
    has_small = [any(row[i].small for row in grid[1:]) for i in range(n_columns)]
    lines = []
    for row in grid:
        line: list[object] = []
        for cell, is_pair in zip(row, has_small, strict=True):
            text, small = _plain(cell.text), _plain(cell.small)
            if is_pair:
                line += [_number(text), _number(small)]
            else:
                line.append(_number(f"{text} {small}".strip()))
        if any(line):
            lines.append(line)
    file = io.StringIO()
    write_lines(file, lines)
    return file.getvalue()


def _spread(row: list[TableCell], n_columns: int) -> list[TableCell]:
    """Return one cell for each column; those that a wide cell covers are empty."""
    cells = []
    for cell in row:
        cells += [cell, *(TableCell() for _ in range(cell.columns - 1))]
    return cells + [TableCell()] * (n_columns - len(cells))


def _plain(text: str) -> str:
    return SPACE.sub(" ", text.translate(MINUS)).strip()


def _number(text: str) -> object:
    """Return a number where the text is one: a spreadsheet computes with it."""
    if not NUMBER.fullmatch(text):
        return text
    number = float(text.replace(",", ""))
    return int(number) if number.is_integer() and "." not in text else number

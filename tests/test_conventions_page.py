"""Every line of docs/conventions.md runs, and has the value that the page prints."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "conventions.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
ROW = re.compile(
    r"^\| (?P<name>[^|]+) \| `(?P<line>[^|]+)` \| `(?P<value>[^`]+)`[^|]* \| [^|]+ \|$"
)
ROWS = [row for line in TEXT.splitlines() if (row := ROW.match(line))]


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(BLOCKS[0], namespace)
    return namespace


def test_every_row_is_read() -> None:
    assert len(ROWS) == sum(line.startswith("| ") for line in TEXT.splitlines()) - 1
    assert len(ROWS) >= 20


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_line_does_what_the_page_says(row: re.Match[str], names: dict[str, Any]) -> None:
    if row["value"].endswith("Error"):
        with pytest.raises(Exception, match="reshape") as error:
            eval(row["line"], names)
        assert type(error.value).__name__ == row["value"]
    else:
        assert repr(eval(row["line"], names)) == row["value"]


def test_a_fitted_network_is_plain_torch(names: dict[str, Any]) -> None:
    exec(BLOCKS[1], names)

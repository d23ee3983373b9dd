"""docs/test_catalogue.md names tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "test_catalogue.md"


def named() -> dict[str, set[str]]:
    """Collect the tests that the page names, by file; a name alone is in the file named before."""
    found: dict[str, set[str]] = {}
    file = ""
    for path, name in re.findall(r"`([\w/.]*)::(\w+)`", PAGE.read_text(encoding="utf-8")):
        file = path or file
        found.setdefault(file, set()).add(name)
    return found


@pytest.mark.parametrize(("file", "names"), named().items(), ids=named())
def test_every_test_on_the_page_exists(file: str, names: set[str]) -> None:
    defined = set(
        re.findall(
            r"^def (test_\w+)\(", (TESTS / file).read_text(encoding="utf-8"), flags=re.MULTILINE
        )
    )
    assert sorted(names - defined) == []


def test_the_page_goes_through_the_catalogue() -> None:
    sections = re.findall(r"^## (10\.\d)", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sections == ["10.1", "10.2", "10.3", "10.4", "10.5", "10.6"]
    assert sum(map(len, named().values())) > 150

"""The measures of `make house`, and the limits that the source has to keep."""

import ast
from pathlib import Path

import pytest
from tools.house import SourceFile

from tools import house


def source(path: str, text: str) -> SourceFile:
    return SourceFile(Path(path), text, ast.parse(text))


def function(text: str) -> house.Function:
    node = ast.parse(text).body[0]
    assert isinstance(node, house.Function)
    return node


def test_a_body_is_counted_without_its_docstring() -> None:
    assert house.body_lines(function('def f():\n    """Doc."""\n    x = 1\n\n    return x\n')) == 3
    assert house.body_lines(function("def f(\n    a,\n):\n    return a\n")) == 1
    assert house.body_lines(function('def f():\n    """Only a docstring."""\n')) == 0


def test_long_files_and_long_bodies_are_named() -> None:
    long_body = "def f():\n" + "    x = 1\n" * (house.FUNCTION_LINES + 1)
    long_file = "x = 1\n" * (house.FILE_LINES + 1)
    broken = house.broken_limits(
        [source("equipoise/a.py", long_body), source("equipoise/b.py", long_file)]
    )
    assert len(broken) == 2
    assert "a.py:1 f" in broken[0]
    assert "b.py" in broken[1]
    at_limit = "def f():\n" + "    x = 1\n" * house.FUNCTION_LINES
    assert house.broken_limits([source("equipoise/a.py", at_limit)]) == []


def test_a_class_name_of_two_files_is_named_once() -> None:
    files = [
        source("equipoise/a.py", "class Card: ...\nclass _Local: ...\n"),
        source("equipoise/b.py", "class Card: ...\nclass _Local: ...\n"),
    ]
    assert house.repeated_class_names(files) == {"Card": ["equipoise/a.py", "equipoise/b.py"]}


@pytest.mark.parametrize(
    "late",
    [
        "def f():\n    from equipoise.a import x\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from equipoise.a import x\n",
        "import equipoise.a\n",
    ],
)
def test_late_imports_close_a_cycle_too(late: str) -> None:
    files = [
        source("equipoise/a.py", "from equipoise import b\n"),
        source("equipoise/b.py", "from equipoise.c import y\n"),
        source("equipoise/c.py", late),
        source("equipoise/d.py", "from equipoise.a import x\n"),
    ]
    cycles = house.import_cycles(house.import_graph(files))
    assert cycles == [["equipoise.a", "equipoise.b", "equipoise.c"]]


def test_modules_without_a_cycle_have_none() -> None:
    files = [
        source("equipoise/a.py", "from equipoise.b import x\nfrom equipoise.c import y\n"),
        source("equipoise/b.py", "from equipoise.c import y\n"),
        source("equipoise/c.py", "import numpy\n"),
    ]
    assert house.import_cycles(house.import_graph(files)) == []


def test_uses_of_private_helpers_are_counted_but_not_of_overridable_methods() -> None:
    text = (
        "def _once(): ...\n"
        "def _twice(): ...\n"
        "_once(); _twice(); _twice()\n"
        "class A:\n    def _hook(self): ...\n"
        "class B(A):\n    def _hook(self): ...\n    def _own(self): self._own\n"
    )
    uses = house.private_helpers([source("equipoise/a.py", text)])
    assert {place.split()[1]: n for place, n in uses.items()} == {
        "_once": 1,
        "_twice": 2,
        "_own": 1,
    }


def test_untyped_mappings_are_found_in_annotations() -> None:
    text = "def f(a: Mapping[str, Any], b: list[dict[str, Any]]) -> dict[str, int]: ...\n"
    assert house.untyped_mappings(source("equipoise/a.py", text)) == [1, 1]


def test_measures_of_a_room() -> None:
    files = [
        source("equipoise/data/a.py", "x = [i for i in y]\n" * 2),
        source("equipoise/data/__init__.py", '"""Room."""\n'),
        source("equipoise/cli/b.py", "def f():\n    return 1\n" * 40),
    ]
    rooms = house.rooms(files)
    assert sorted(rooms) == ["cli", "data"]
    data = house.measure(rooms["data"], files)
    assert (data.files, data.lines, data.short_files) == (2, 3, 1)
    assert data.comprehensions_per_1000_lines == pytest.approx(1000 * 2 / 3, abs=0.1)
    assert house.measure(rooms["cli"], files).functions == 40


def test_the_program_fails_where_a_limit_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "src" / "equipoise"
    package.mkdir(parents=True)
    (package / "a.py").write_text("from equipoise import b\n")
    (package / "b.py").write_text("from equipoise import a\n")
    assert house.main(["--check", "--root", str(tmp_path)]) == 1
    assert "equipoise.a, equipoise.b" in capsys.readouterr().out
    (package / "b.py").write_text("def f():\n    return 1\n")
    assert house.main(["--check", "--root", str(tmp_path)]) == 0
    assert house.main(["--root", str(tmp_path)]) == 0
    assert "comprehensions_per_1000_lines" in capsys.readouterr().out

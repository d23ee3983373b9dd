"""The list of faults follows the source; `python -m tests.mutations.run` seeds them."""

import ast
from pathlib import Path

import pytest
from tests.mutations.faults import ROOT, Fault, read_faults

FAULTS = read_faults()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.breaks)
def test_fault_can_be_seeded(fault: Fault) -> None:
    text = (ROOT / "src" / "equipoise" / fault.file).read_text()
    assert text.count(fault.old) == 1
    assert ast.dump(ast.parse(text.replace(fault.old, fault.new))) != ast.dump(ast.parse(text))
    for test in fault.tests:
        path, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / "tests" / path).read_text()


def test_no_fault_comes_twice_and_there_are_enough() -> None:
    assert len({fault.breaks for fault in FAULTS}) == len(FAULTS) >= 20


def test_text_that_is_gone_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "src" / "equipoise" / "a.py"
    path.parent.mkdir(parents=True)
    path.write_text("x = 1\n")
    fault = Fault(breaks="x", file="a.py", old="x = 1", new="x = 2", tests=())
    before = fault.apply(tmp_path)
    assert path.read_text() == "x = 2\n"
    with pytest.raises(ValueError, match="found it 0 times"):
        fault.apply(tmp_path)
    fault.undo(tmp_path, before)
    assert path.read_text() == "x = 1\n"

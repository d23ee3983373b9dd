"""What answers without data answers without torch: help, lists, and errors of missing folders."""

import importlib
import json
import subprocess
import sys

import pytest

from equipoise.cli.list import find_families

SCRIPT = """
import importlib, json, sys
from equipoise.cli.app import run_command
from equipoise.cli.commands import COMMANDS
from equipoise.cli.list import find_families
from equipoise.cli.placeholders import without_heavy_libraries

lines = {}
with without_heavy_libraries():
    for name, entry in find_families().items():
        lines[name] = importlib.import_module(entry.module).FAMILY.lines()

calls = [["list"], ["list", "losses"], ["--help"]]
calls += [[name, "--help"] for name in COMMANDS]
calls += [["run", "/nowhere"], ["run", "/nowhere.py"], ["plan", "/nowhere"]]
calls += [["run", "/nowhere", "--task", "segmentation"], ["predict", "/nowhere", "/no"]]
calls += [["report", "/nowhere"], ["generate", "/nowhere", "--class", "rare"]]
calls += [["audit", "/nowhere", "--real", "/no"]]
calls += [["rank", "/nowhere", "/nowhere2", "/nowhere3"]]
with_torch = []
for words in calls:
    sys.argv = ["equipoise", *words]
    run_command()
    if "torch" in sys.modules:
        with_torch.append(words)
print()
print(json.dumps({"lines": lines, "calls": len(calls), "with_torch": with_torch}))
"""

WITHOUT_TRAINING = """
import sys
import equipoise.results.tables, equipoise.report.html, equipoise.results.ranking
from equipoise.discovery import modules
from equipoise.report import sections
modules(sections)
print([name for name in ("torch", "sklearn", "imblearn", "scipy.stats") if name in sys.modules])
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, object]:
    """What a process of its own answers, which starts without any heavy library."""
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True
    )
    answers: dict[str, object] = json.loads(process.stdout.splitlines()[-1])
    return answers


def test_no_help_list_or_missing_folder_imports_torch(answers: dict[str, object]) -> None:
    assert answers["with_torch"] == []
    assert answers["calls"] == 23


def test_tables_and_report_need_no_library_that_trains() -> None:
    process = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRAINING], check=True, capture_output=True, text=True
    )
    assert process.stdout.strip() == "[]"


def test_lines_of_families_are_the_same_with_placeholders(answers: dict[str, object]) -> None:
    lines = {}
    for name, entry in find_families().items():
        lines[name] = importlib.import_module(entry.module).FAMILY.lines()
    assert answers["lines"] == lines

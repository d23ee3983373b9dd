"""axe-core finds nothing serious in a report, in light and dark, as Chromium shows it.

Needs Chromium and $AXE_CORE, the path of axe.min.js (`npm install axe-core`).
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

from equipoise.report.html import write_report
from equipoise.report.run_contents import Contents
from equipoise.results.tables import summarize_run
from equipoise.runs.run import open_run

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), "")
AXE = Path(os.environ.get("AXE_CORE", ""))
SERIOUS = ("serious", "critical")
CHECK = """
axe.run(document).then(found => {
  const result = document.createElement("pre");
  result.id = "axe-result";
  result.textContent = JSON.stringify(found.violations.map(
    violation => [violation.impact, violation.id, violation.nodes[0].html]));
  document.body.appendChild(result);
})
"""


@pytest.mark.slow
@pytest.mark.skipif(not BROWSER, reason="needs Chromium")
@pytest.mark.skipif(not AXE.is_file(), reason="needs $AXE_CORE, the path of axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    scheme: str, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = open_run(make_run())
    report = write_report(Contents(run=run, results=summarize_run(run), names=False))
    script = f"<script>{AXE.read_text(encoding='utf-8')}</script><script>{CHECK}</script></body>"
    page = tmp_path / "page.html"
    page.write_text(report.read_text(encoding="utf-8").replace("</body>", script), encoding="utf-8")
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--virtual-time-budget=60000"]
    if scheme == "dark":
        command.append("--blink-settings=preferredColorScheme=0")
    process = subprocess.run(
        [*command, page.as_uri()], check=True, capture_output=True, text=True, timeout=300
    )
    result = re.search(r'<pre id="axe-result">(.*?)</pre>', process.stdout, re.DOTALL)
    assert result is not None
    violations = json.loads(unescape(result.group(1)))
    assert [violation for violation in violations if violation[0] in SERIOUS] == []

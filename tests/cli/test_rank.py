"""The command `rank` as a user gives it, on the published tables."""

import re
from pathlib import Path

from typer.testing import CliRunner

from equipoise.cli.app import app
from equipoise.exceptions import DataError

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def test_runs_are_ranked_and_drawn(tmp_path: Path) -> None:
    runs = [str(RESULTS / name) for name in ("covid_xray", "herlev_two", "herlev_seven")]
    result = CliRunner().invoke(
        app, ["rank", *runs, "--metric", "auroc", "--out", str(tmp_path / "cd.html")]
    )
    assert result.exit_code == 0
    assert "On 3 data sets the 5 methods" in result.output
    table = (RESULTS / "herlev_two" / "table.csv").read_text().splitlines()
    (mean,) = [row.split(",")[3] for row in table if row.startswith("cdcgan,0,auroc,")]
    row = next(line for line in result.output.splitlines() if line.strip().startswith("cdcgan"))
    assert row.split()[3] == f"{float(mean):.3f}"  # method, rank, covid_xray, herlev_two
    assert result.output.splitlines()[-1] == f"Diagram: {tmp_path / 'cd.html'}"
    assert "diagram of AUROC" in (tmp_path / "cd.html").read_text()


def test_two_runs_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    runs = [str(RESULTS / name) for name in ("covid_xray", "herlev_two")]
    result = CliRunner().invoke(app, ["rank", *runs, "--out", str(tmp_path / "cd.html")])
    assert isinstance(result.exception, DataError)
    assert re.search(r"at least 3 .*got 2", str(result.exception))
    assert not list(tmp_path.iterdir())

"""What the networks were shown: class shares of drawn voxels and of the pixels of patches."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from equipoise.atomic import reading
from equipoise.csv_cells import read_lines
from equipoise.report.formatting import decimal, interval, known
from equipoise.report.run_contents import Contents
from equipoise.report.volumes import share

HEADING = "What the networks were shown"
ORDER = 30
TASKS = ("segmentation",)
COLUMNS = {"asked": "requested", "centers": "drawn", "pixels": "all pixels"}
NAN = float("nan")

Stage = tuple[str, str]  # method, and its stage where it has several
ClassShares = dict[str, dict[str, list[float]]]  # class -> column -> a share for each cell
ShareBar = tuple[str, float]  # share as text, percent for its bar


@dataclass(frozen=True)
class StageShares:
    """Class shares of one stage of a method, {what was counted: share of each class}."""

    title: str
    method: str
    rows: Mapping[str, Sequence[ShareBar]]


@dataclass(frozen=True, kw_only=True)
class FrequenciesView:
    """What the template of this section shows; stages with the same classes share a table."""

    tables: Mapping[tuple[str, ...], Sequence[StageShares]]
    true: Mapping[str, str]
    taus: Mapping[str, str]


def view(contents: Contents) -> FrequenciesView | None:
    """Return the shares of every method, mean over its cells; None where no cell counted any."""
    stages = read_shares(contents)
    if not stages:
        return None
    tables: dict[tuple[str, ...], list[StageShares]] = defaultdict(list)
    for (method, stage), shares in stages.items():
        title = f"{method}, {stage}" if stage else method
        tables[tuple(shares)].append(StageShares(title, method, mean_shares(shares)))
    counts = contents.description.dataset.counts
    true = {}
    for name, n_voxels in zip(contents.class_names, counts, strict=True):
        true[name] = share(n_voxels / sum(counts))
    return FrequenciesView(tables=tables, true=true, taus=mean_taus(contents))


def read_shares(contents: Contents) -> dict[Stage, ClassShares]:
    """Read the shares of all finished cells, in the order of the methods."""
    stages: dict[Stage, ClassShares] = {}
    for record in contents.finished():
        path = contents.run.path(record.cell) / "frequencies.csv"
        with reading(path), path.open(newline="", encoding="utf-8") as file:
            for row in read_lines(file):
                shares = stages.setdefault((record.cell.method, row["stage"]), {})
                columns = shares.setdefault(row["class"], {})
                for column in COLUMNS:
                    columns.setdefault(column, []).append(float(row[column] or "nan"))
    return stages


def mean_shares(shares: ClassShares) -> dict[str, list[ShareBar]]:
    """Return requested and counted shares of each class; nothing counts pixels in center mode."""
    rows: dict[str, list[ShareBar]] = {}
    for column, text in COLUMNS.items():
        means = []
        for columns in shares.values():
            present = [value for value in columns[column] if known(value)]
            means.append(fmean(present) if present else NAN)
        if any(map(known, means)):
            rows[text] = [
                (share(mean), round(100 * mean, 2)) if known(mean) else ("", 0.0) for mean in means
            ]
    return rows


def mean_taus(contents: Contents) -> dict[str, str]:
    """Return mean and range of tau for the methods whose prior correction had an effect."""
    texts = {}
    for method in contents.methods:
        taus = [record.tau for record in contents.volume_records(method)]
        if any(taus):
            ends = interval(min(taus), max(taus), lambda tau: decimal(tau, 2))
            texts[method] = f"{decimal(fmean(taus), 2)} (cells from {ends})"
    return texts

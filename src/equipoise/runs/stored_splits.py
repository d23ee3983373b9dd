"""Read `splits.json` of a run, and check that these are the splits which `study.json` describes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from equipoise.arrays import fingerprint
from equipoise.atomic import read_json, reading
from equipoise.checksums import damaged
from equipoise.data.splits import PARTS, Split, Splittable, load_splits
from equipoise.exceptions import LeakageError
from equipoise.runs.containment import read_description
from equipoise.runs.description import SplitDescription

FILE = "splits.json"


@dataclass(frozen=True, kw_only=True)
class SplitIds:
    """A split by the ids of its images or cases."""

    name: str
    train: frozenset[str]
    validation: frozenset[str]
    test: frozenset[str]


def read_split_ids(folder: Path) -> tuple[SplitIds, ...]:
    """Read the splits of a run, without its images.

    Raises:
        DamagedFileError: The file is missing or damaged, or was rewritten: its splits have other
            names or sizes.
    """
    path = folder / FILE
    splits: list[SplitIds] = []
    sizes: dict[str, tuple[int, int, int]] = {}
    if not path.is_file():
        raise damaged(path, "it is missing")
    with reading(path):
        for entry in read_json(path)["splits"]:
            parts = [list(map(str, entry[part])) for part in ("train", "validation", "test")]
            train, validation, test = map(frozenset, parts)
            name = str(entry["name"])
            splits.append(SplitIds(name=name, train=train, validation=validation, test=test))
            sizes[name] = (len(parts[0]), len(parts[1]), len(parts[2]))
    for split in read_description(folder).splits:
        described = (split.n_train, split.n_validation, split.n_test)
        if sizes.get(split.name) != described:
            raise damaged(path, f"{split.name} is not that of study.json")
    return tuple(splits)


def split_fingerprint(split: Split, dataset: Splittable) -> str:
    """Hash the ids of the three parts."""
    return fingerprint(*(dataset.ids[getattr(split, part)].astype(str) for part in PARTS))


def load_described_splits(
    folder: Path, dataset: Splittable, described: Sequence[SplitDescription]
) -> tuple[Split, ...]:
    """Load the splits of a run as rows of its images.

    Args:
        folder: The run.
        dataset: Its images or volumes.
        described: The splits of its `study.json`.

    Raises:
        DamagedFileError: The file was rewritten: a split is missing, has other images, or lets
            patients cross.
        DataError: See `equipoise.data.splits.load_splits`.
    """
    path = folder / FILE
    try:
        splits = load_splits(path, dataset)
    except LeakageError as error:  # which these splits had not when they were stored
        raise damaged(path, str(error)) from error
    fingerprints = {split.name: split_fingerprint(split, dataset) for split in splits}
    rewritten = []
    for split in described:
        if fingerprints.get(split.name) != split.fingerprint:
            rewritten.append(split.name)
    if rewritten:
        raise damaged(path, f"{', '.join(rewritten)} not as study.json describes")
    return splits

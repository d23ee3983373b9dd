"""What a study asks for, as JSON (`study.json`), and whether a stored run may be continued with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equipoise.arrays import fingerprint
from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import PARTS, Split, Splittable
from equipoise.exceptions import StaleRunError
from equipoise.experiments.parameters import SEED, differences, steps_of
from equipoise.experiments.running.environment import machine, versions
from equipoise.runs.known_cases import describe_cases

if TYPE_CHECKING:
    from equipoise.data.duplicates import Duplicates
    from equipoise.data.volume_dataset import VolumeDataset
    from equipoise.experiments.study import Study

MOST_LINES = 12  # of differences in a message
GROWING = ("methods", "splits")  # lists of named things that may be added to a run


def describe(study: "Study") -> dict[str, Any]:
    """Write down a study: everything that its results depend on, and what the report wants to know."""
    return {
        "name": study.name,
        "task": study.task,
        "dataset": _describe_dataset(study.dataset),
        "rare_class": study.positive,
        "baseline": study.baseline_name,
        "primary_metric": study.primary_metric,
        "methods": [
            {"name": name, "steps": _unseeded(steps_of(p))} for name, p in study.methods.items()
        ],
        "splits": [_describe_split(split, study.dataset) for split in study.splits],
        "seeds": sorted(study.seeds),
        "versions": versions(),
        "machine": machine(),
        "facts": dict(study.facts),
    }


def continued(stored: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Join what a run holds and what is asked of it now: methods, splits and seeds may be added, not changed.

    Raises:
        StaleRunError: The images, a setting of a stored method, a stored split or a library differs. Other versions
            count because they round differently: arms trained under both would no longer be a fair pair.
    """
    conflicts = [
        *differences(stored["dataset"], asked["dataset"], at="dataset"),
        *differences(stored["versions"], asked["versions"], at="versions"),
    ]
    for kind in GROWING:
        now = {item["name"]: item for item in asked[kind]}
        for item in stored[kind]:
            conflicts += differences(
                item, now.get(item["name"], item), at=f"{kind[:-1]} {item['name']}"
            )
    if conflicts:
        raise StaleRunError(_refuse(conflicts, folder))
    joined = {kind: _join(stored[kind], asked[kind]) for kind in GROWING}
    return {**asked, **joined, "seeds": sorted({*stored["seeds"], *asked["seeds"]})}


def _refuse(conflicts: list[str], folder: Path) -> str:
    shown = [f"  {line}" for line in conflicts[:MOST_LINES]]
    if more := len(conflicts) - MOST_LINES:
        shown += [f"  and {more} more"] if more > 0 else []
    return "\n".join(
        [
            f"The run in {folder} was made with other settings than those asked for now:",
            *shown,
            f"Name another folder with --out, or delete {folder}.",
        ]
    )


def _join(stored: list[dict[str, Any]], asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {item["name"] for item in stored}
    return stored + [item for item in asked if item["name"] not in known]


def _unseeded(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the seeds of the steps: the cell sets them."""
    return [{**s, "settings": {k: v for k, v in s["settings"].items() if k != SEED}} for s in steps]


def _describe_dataset(dataset: "ImageDataset | VolumeDataset") -> dict[str, Any]:
    shared = {
        "fingerprint": dataset.fingerprint,
        "n_images": len(dataset),
        "n_groups": len(set(dataset.groups.tolist())),
        "class_names": list(dataset.class_names),
        "counts": dataset.counts.tolist(),
    }
    if isinstance(dataset, ImageDataset):
        return {
            **shared,
            "shape": list(dataset.images.shape[1:]),
            "dtype": str(dataset.images.dtype),
        }
    return {
        **shared,
        "modalities": list(dataset.modalities),
        "scheme": dataset.scheme.name,
        "values": list(dataset.scheme.values),
        "regions": {name: list(codes) for name, codes in dataset.regions.items()},
        **describe_cases(dataset),
    }


def _describe_split(split: Split, dataset: "ImageDataset | VolumeDataset") -> dict[str, Any]:
    parts = {part: getattr(split, part) for part in PARTS}
    return {
        "name": split.name,
        **{part: len(rows) for part, rows in parts.items()},
        "counts": {part: dataset.subset(rows).counts.tolist() for part, rows in parts.items()},
        "fingerprint": split_fingerprint(split, dataset),
    }


def split_fingerprint(split: Split, dataset: Splittable) -> str:
    """Hash the ids of the three parts."""
    return fingerprint(*(dataset.ids[getattr(split, part)].astype(str) for part in PARTS))


def describe_duplicates(study: "Study", duplicates: "Duplicates") -> dict[str, Any]:
    """Write pairs of duplicates by their ids, and which of them cross into which part of which split."""

    def named(pairs: Any) -> list[list[str]]:
        return [study.dataset.ids[pair].tolist() for pair in pairs]

    crossing = {split.name: duplicates.crossing(split) for split in study.splits}
    return {
        "exact": named(duplicates.exact),
        "near": named(duplicates.near),
        "conflicting": named(duplicates.conflicting),
        "crossing": {
            name: named(pairs.into_test) for name, pairs in crossing.items() if len(pairs.into_test)
        },
        "crossing_validation": {
            name: named(pairs.into_validation)
            for name, pairs in crossing.items()
            if len(pairs.into_validation)
        },
    }

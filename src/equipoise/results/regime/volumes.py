"""Segmenters that never draw a region, and too few patients to compare them."""

from collections.abc import Iterator

import numpy as np

from equipoise.results.phrases import MOST_NAMED, listed, plural
from equipoise.results.regime.warning import RegimeWarning, longer, named
from equipoise.runs.volume_run import VolumeRun

FEWEST_TESTED = 6  # with fewer, Student's t rests on its assumption more than on data


def never_segmented(volumes: VolumeRun) -> Iterator[RegimeWarning]:
    """Yield the regions of which a method draws no voxel in any case, though there are some."""
    methods_of: dict[str, list[str]] = {}  # region: methods
    for method in volumes.methods:
        cells = volumes.cells_of(method)
        for region in volumes.dataset.regions if cells else ():
            drawn, present = 0.0, 0.0
            for cell in cells:
                counts = cell.measures.regions[region]
                drawn += float(np.nansum(counts["tp"]) + np.nansum(counts["fp"]))
                present += float(np.nansum(counts["tp"]) + np.nansum(counts["fn"]))
            if drawn == 0 and present > 0:
                methods_of.setdefault(region, []).append(method)
    if not methods_of:
        return
    by_methods: dict[tuple[str, ...], list[str]] = {}
    for region, methods in methods_of.items():
        by_methods.setdefault(tuple(methods), []).append(region)
    for concerned, regions in by_methods.items():
        yield RegimeWarning(
            kind="nothing segmented",
            methods=concerned,
            numbers={"regions": len(regions)},
            problem=f"no voxel of {listed(regions[:MOST_NAMED])} is segmented in any test "
            f"{volumes.description.unit} by {named(concerned)}",
            change=f"{longer(volumes.description)}, or draw patches of all classes (method "
            "balanced)",
        )


def few_cases(volumes: VolumeRun) -> Iterator[RegimeWarning]:
    """Yield that fewer than `FEWEST_TESTED` patients were tested."""
    patients: set[int] = set()
    for cell in volumes.finished:
        patients.update(cell.measures.patients.tolist())
    unit = volumes.description.unit
    if 0 < len(patients) < FEWEST_TESTED:
        yield RegimeWarning(
            kind="few patients",
            numbers={"test patients": len(patients)},
            problem=f"with {plural(len(patients), f'test {unit}')} the intervals assume that the "
            f"differences between {unit}s are about normally distributed, which so few cannot show",
            change=f"add {unit}s, and read the results of each {unit}",
        )

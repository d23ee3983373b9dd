"""How do the networks of a run do on patients of another clinic, whose labels may have another scheme?

Usage, from the project's root: python -m studies.outside RUN CASES --out FILE [--labels SCHEME]
Writes outside.csv: a line for each network, case and region that both schemes name; prints the mean
Dice of each method and region. A few cases say how far a method may fall elsewhere, not which
method is best there.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from equipoise.data.reading import read_volumes
from equipoise.data.volumes.options import VolumeOptions
from equipoise.deployment.external_cases import measure_external, write_external
from equipoise.runs.run import open_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="table to write")
    parser.add_argument(
        "--labels", help="what the numbers in the label files mean; guessed where not given"
    )
    arguments = parser.parse_args()
    run = open_run(arguments.run)
    dataset = run.description.volumes
    options = VolumeOptions(
        modalities=dataset.modalities, labels=arguments.labels, n4=bool(dataset.n4)
    )
    loaded = read_volumes(arguments.cases, options)
    for note in loaded.notes:
        print(note)
    rows = measure_external(run, loaded.dataset)
    write_external(rows, arguments.out)
    found = defaultdict(list)
    for row in rows:
        found[row.region, row.method].append(row.dice)
    for (region, method), values in sorted(found.items()):
        print(f"{region}: {method} Dice {np.mean(values):.3f} ({len(values)} networks and cases)")


if __name__ == "__main__":
    main()

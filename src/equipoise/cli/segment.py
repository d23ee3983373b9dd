"""What `predict` does with a run of volumes: a label map for each case."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from equipoise.exceptions import DataError, SettingError

if TYPE_CHECKING:
    from equipoise.data.volumes.labels import LabelScheme
    from equipoise.data.volumes.options import RawCase
    from equipoise.deployment.classify import Ensemble
    from equipoise.deployment.label_maps import LabelMap
    from equipoise.runs.run import Run

ENDING = "_predicted.nii.gz"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked for.

    Attributes:
        out: File for the one case, or folder; None for the current folder.
        labels: Scheme of the cases' label files; None for the run's.
        force: Whether existing label maps may be replaced.
        on_error: "stop" at a case that cannot be read, or "skip" it.

    Raises:
        SettingError: A name is not known.
    """

    out: Path | None
    labels: str | None
    force: bool
    on_error: str

    def __post_init__(self) -> None:
        from equipoise.data.images.options import ON_ERROR
        from equipoise.data.volumes.labels import LABEL_SCHEMES
        from equipoise.discovery import unknown

        for name, known, kind in (
            (self.labels, LABEL_SCHEMES, "label scheme"),
            (self.on_error, ON_ERROR, "on_error"),
        ):
            if name is not None and name not in known:
                raise SettingError(unknown(name, known, kind))


def predict_volumes(run: "Run", ensemble: "Ensemble", place: Path, wanted: Wanted) -> None:
    """Write a label map for each case, and say how large the classes are and how far label files agree.

    Args:
        run: A run on volumes.
        ensemble: Whose networks; those that a case trained or chose are left out for it.
        place: A case folder, or a folder of case folders.
        wanted: Options.

    Raises:
        DataError: No case, or a case is not as expected.
        SettingError: A file is there already, or lies in a case's folder.
    """
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(ensemble.reason)
    cases = find_cases(place)
    files = _files(cases, wanted, place)
    written = []
    for case, file in zip(cases, files, strict=True):
        try:
            lines = _predict(run, ensemble, case, file, wanted)
            written.append(file)
        except DataError as error:
            if wanted.on_error == "stop":
                raise
            lines = [f"Left out: {error}"]
        console.print("\n".join(lines))
    where = written[0] if len(written) == 1 else wanted.out or Path()
    print(f"{len(written)} label map{'s' * (len(written) != 1)}: {where}")  # noqa: T201 (scripts read it)


def find_cases(place: Path) -> list["RawCase"]:
    """Find the case folders: `place` itself, or all below it that hold volumes.

    Raises:
        DataError: There are none.
    """
    from equipoise.data.volumes.readers.nifti import find_case
    from equipoise.data.volumes.roles import is_volume

    files = [
        file for file in place.rglob("*") if file.is_file() and is_volume(file.relative_to(place))
    ]
    folders = sorted({file.parent for file in files})
    if folders in ([], [place]):
        return [find_case(place)]
    return [
        replace(find_case(folder), id=folder.relative_to(place).as_posix()) for folder in folders
    ]


def _files(cases: list["RawCase"], wanted: Wanted, place: Path) -> list[Path]:
    """Name a file for each case, before any work."""
    from equipoise.atomic import make_folder
    from equipoise.data.volumes.file import suffix_of

    out = wanted.out or Path()
    if suffix_of(out):
        if len(cases) > 1:
            raise SettingError(
                f"Expected a folder in --out for {len(cases)} cases, got the file {out}."
            )
        files = [out]
    else:
        files = [out / f"{case.id}{ENDING}" for case in cases]
    for file in files:
        if file.resolve().is_relative_to(place.resolve()):
            raise SettingError(
                f"{file} would lie among the files of the cases, and be read as one. Name another place with --out."
            )
        if file.exists() and not (wanted.force and file.is_file()):
            raise SettingError(
                f"{file} exists. Name another place with --out, or replace it with --force."
            )
        make_folder(file.parent)
    return files


def _predict(
    run: "Run", ensemble: "Ensemble", case: "RawCase", file: Path, wanted: Wanted
) -> list[str]:
    """Write the label map of a case, and give the lines to print."""
    from equipoise.cli.console import working_bar
    from equipoise.data.volumes.file import write_label_map
    from equipoise.deployment.choose_segmenters import leave_out_trained
    from equipoise.deployment.segment import segment_case

    unseen, origin = leave_out_trained(run, ensemble, case)
    with working_bar():
        found = segment_case(run, unseen, case)
    lines = [
        f"{value} {name}: {found.cm3[name]:.2f} cm3" for value, name in _foreground(found.scheme)
    ]
    if case.label_file is not None:
        lines.append(_agreement(found, case, case.label_file, wanted.labels))
    write_label_map(file, found.values, found.geometry)
    n = len(unseen.cells)
    first = f"{case.id}: {n} network{'s' * (n != 1)} of {unseen.cells[0].method}. {origin}"
    return [first, *(f"  {line}" for line in lines)]


def _foreground(scheme: "LabelScheme") -> list[tuple[int, str]]:
    """List values and names of all classes but healthy tissue."""
    return list(zip(scheme.values[1:], scheme.class_names[1:], strict=True))


def _agreement(found: "LabelMap", case: "RawCase", file: Path, labels: str | None) -> str:
    from equipoise.data.volumes.labels import LABEL_SCHEMES
    from equipoise.deployment.label_maps import measure_map
    from equipoise.metrics.segmentation import dice

    scheme = found.scheme if labels is None else LABEL_SCHEMES[labels]
    measured = measure_map(found, case, scheme)
    values = [
        f"{name} {float(dice(m['tp'], m['fp'], m['fn'])):.3f}" for name, m in measured.items()
    ]
    return f"Dice with {file.name}, read as {scheme.name} ({scheme.summary}): {', '.join(values)}."

"""What `predict` does with a run of volumes: a label map for each case."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from equipoise.cli.terminal import Terminal
from equipoise.cli.voice import answer, conclude
from equipoise.exceptions import DataError, SettingError

if TYPE_CHECKING:
    from equipoise.data.volumes.options import RawCase
    from equipoise.deployment.classify import Ensemble
    from equipoise.deployment.label_coding import LabelCoding
    from equipoise.deployment.label_maps import LabelMap
    from equipoise.runs.run import Run

ENDING = "_predicted.nii.gz"


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """Options of `predict` for volumes.

    Attributes:
        out: File for the one case, or folder; None for the current folder.
        labels: Scheme of the cases' label files; None for that of the run.
        force: Whether existing label maps may be replaced.
        ignore: Patterns of files and folders to leave out.
        follow_links: Whether links may lead out of the folder of the cases.
        on_error: "stop" at a case that cannot be read, or "skip" it.

    Raises:
        SettingError: A name is unknown.
    """

    out: Path | None
    labels: str | None
    force: bool
    ignore: tuple[str, ...] = ()
    follow_links: bool = False
    on_error: str

    def __post_init__(self) -> None:
        from equipoise.data.images.options import ON_ERROR
        from equipoise.data.volumes.labels import LABEL_SCHEMES
        from equipoise.discovery import unknown

        if self.labels is not None and self.labels not in LABEL_SCHEMES:
            raise SettingError(unknown(self.labels, LABEL_SCHEMES, "label scheme"))
        if self.on_error not in ON_ERROR:
            raise SettingError(unknown(self.on_error, ON_ERROR, "on_error"))


def predict_volumes(run: "Run", ensemble: "Ensemble", place: Path, options: SegmentOptions) -> None:
    """Write a label map for each case, and print class volumes and agreement with label files.

    Args:
        run: A run on volumes.
        ensemble: The networks; those that a case trained or chose are left out for it.
        place: A case folder, or a folder of case folders.
        options: Where and how.

    Raises:
        DataError: There is no case, or a case is not as expected.
        SettingError: A file exists already, or lies in a case's folder.
    """
    console = Terminal(soft_wrap=True, highlight=False)
    console.print(ensemble.reason)
    cases = find_cases(place, options)
    files = output_files(cases, options, place)
    written = []
    said: dict[str, list[str]] = {}
    for case, file in zip(cases, files, strict=True):
        try:
            lines = predict_case(run, ensemble, case, file, options.labels)
            written.append(file)
        except DataError as error:
            if options.on_error == "stop":
                raise
            lines = [f"Left out: {error}"]
        console.print("\n".join(lines))
        said[case.id] = lines
    where = written[0] if len(written) == 1 else options.out or Path()
    noun = "label map" if len(written) == 1 else "label maps"
    conclude(f"{len(written)} {noun}: {where}")
    answer(lambda: {"label_maps": written, "reason": ensemble.reason, "cases": said})


def find_cases(place: Path, options: SegmentOptions) -> list["RawCase"]:
    """Return the case in `place`, or those in all folders below it that contain volumes.

    Raises:
        DataError: There are none, or links have no target or lead out of the folder.
    """
    from equipoise.data.volumes.readers.nifti import find_case
    from equipoise.data.volumes.roles import is_volume, not_read_problem, volumes_not_read
    from equipoise.data.walking import walk

    if not place.is_dir():
        return [find_case(place)]
    tree = walk(place, ignore=options.ignore, follow_links=options.follow_links)
    volumes = tree.where(lambda file: is_volume(Path(file)))
    problems = volumes.problems(skip=options.on_error == "skip")
    not_read = volumes_not_read(place, tree.files)
    if not_read and options.on_error == "stop":
        problems.append(not_read_problem(place, not_read, volumes.files))
    if problems:
        raise DataError("\n".join(problems))
    folders = {(place / file).parent for file in volumes.files}
    if folders <= {place}:
        return [find_case(place)]
    cases = []
    for folder in sorted(folders):
        name = folder.relative_to(place).as_posix()
        cases.append(replace(find_case(folder), id=name))
    return cases


def output_files(cases: Sequence["RawCase"], options: SegmentOptions, place: Path) -> list[Path]:
    """Return a file for each case; checked before anything is segmented.

    Raises:
        SettingError: A file exists already, or lies in a case's folder.
    """
    from equipoise.atomic import make_folder
    from equipoise.data.volumes.file import suffix_of

    out = options.out or Path()
    if suffix_of(out) and len(cases) > 1:
        raise SettingError(
            f"Expected a folder in --out for {len(cases)} cases, got the file {out}."
        )
    files = [out] if suffix_of(out) else [out / f"{case.id}{ENDING}" for case in cases]
    for file in files:
        if file.resolve().is_relative_to(place.resolve()):
            raise SettingError(
                f"{file} would lie among the files of the cases, and be read as one of them. "
                "Name another place with --out."
            )
        if file.exists() and not (options.force and file.is_file()):
            raise SettingError(
                f"{file} exists. Name another place with --out, or replace it with --force."
            )
        make_folder(file.parent)
    return files


def predict_case(
    run: "Run", ensemble: "Ensemble", case: "RawCase", file: Path, labels: str | None
) -> list[str]:
    """Write the label map of a case and return the lines to print."""
    from equipoise.cli.bars import working_bar
    from equipoise.data.volumes.file import check_placement, write_label_map
    from equipoise.deployment.choose_segmenters import leave_out_trained
    from equipoise.deployment.segment import segment_case

    for image in case.images.values():
        check_placement(file, image)
    unseen, origin = leave_out_trained(run, ensemble, case)
    coding = None
    if case.label_file is not None:
        coding = coding_of(run, case, case.label_file, labels)
    with working_bar():
        label_map = segment_case(run, unseen, case)
    networks = "1 network" if len(unseen.cells) == 1 else f"{len(unseen.cells)} networks"
    lines = [f"{case.id}: {networks} of {unseen.cells[0].method}. {origin}"]
    scheme = label_map.scheme
    foreground = list(zip(scheme.values, scheme.class_names, strict=True))[1:]
    for value, name in foreground:
        lines.append(f"  {value} {name}: {label_map.cm3[name]:.2f} cm3")
    if coding is not None:
        for line in dice_lines(label_map, case, coding):
            lines.append(f"  {line}")
    write_label_map(file, label_map.values, label_map.geometry, label_map.reference)
    return lines


def coding_of(run: "Run", case: "RawCase", file: Path, labels: str | None) -> "LabelCoding":
    """Return how the label file of a case is read, before anything is segmented.

    Raises:
        DataError: No scheme was named, and the file seems to have another one than the run.
    """
    from equipoise.data.volumes.labels import LABEL_SCHEMES
    from equipoise.deployment.label_coding import LabelCoding, find_coding
    from equipoise.deployment.label_maps import run_scheme
    from equipoise.runs.known_cases import known_as

    if labels is not None:
        return LabelCoding(file=file, scheme=LABEL_SCHEMES[labels])
    dataset = run.description.volumes
    of_run = run_scheme(dataset)
    if known_as(case, dataset.images or {}, frozenset()) is not None:
        return LabelCoding(file=file, scheme=of_run)  # the run has read its label file
    return find_coding(case, of_run)


def dice_lines(label_map: "LabelMap", case: "RawCase", coding: "LabelCoding") -> list[str]:
    """Return how the label file of a case was read, and its Dice with a label map."""
    from equipoise.deployment.label_maps import measure_map
    from equipoise.metrics.segmentation import dice

    name, scheme = coding.file.name, coding.scheme
    lines = [f"Label file {name}, read as {scheme.name} ({scheme.summary})."]
    if coding.rivals:
        lines.append(
            f"This is the coding of the run; the values also fit {' and '.join(coding.rivals)}, "
            "with other regions. Name the right one with --labels."
        )
    scores = []
    for region, counts in measure_map(label_map, case, scheme).items():
        score = float(dice(counts["tp"], counts["fp"], counts["fn"]))
        scores.append(f"{region} {score:.3f}")
    lines.append(f"Dice with {name}: {', '.join(scores)}.")
    return lines

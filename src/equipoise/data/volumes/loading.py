"""Prepare many cases, or find them prepared in the cache, and make a dataset of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equipoise.atomic import read_json, write_json
from equipoise.data.images.listing import find_patients, first_few
from equipoise.data.images.patient_names import suggest_groups
from equipoise.data.volume_dataset import Volume, VolumeDataset, load_volume
from equipoise.data.volumes.case_files import file_digest
from equipoise.data.volumes.case_record import CaseRecord, is_complete
from equipoise.data.volumes.file import NIFTI, header_of, read_volume, suffix_of
from equipoise.data.volumes.labels import (
    LABEL_SCHEMES,
    LabelScheme,
    guess_scheme,
    label_values,
    plain,
)
from equipoise.data.volumes.options import PLAIN, LoadedVolumes, RawCase, VolumeOptions
from equipoise.data.volumes.preparing import prepare, source_digest
from equipoise.exceptions import DataError
from equipoise.names import first_names

MOST_FAULTS = 5  # of headers that are named
NO_PATIENTS = (
    "No patients were named, so every case counts as a separate patient. If patients have several "
    "cases, the comparison leaks: name them with groups (--groups REGEX) or a table with a column "
    "of patients (--table CSV)."
)


def load_cases(
    cases: Sequence[RawCase], options: VolumeOptions, notes: Sequence[str] = ()
) -> LoadedVolumes:
    """Prepare cases, or load them from the cache, and make a dataset of them.

    Raises:
        DataError: A case has no label file, modalities or labels are not as expected, or cases
            cannot be prepared; the message names all of these.
    """
    cases = sorted(cases, key=lambda case: case.id)
    notes, further = list(notes), list[str]()
    common = _choose_together(cases, options, notes, further)
    prepared: list[int] = []
    volumes: list[Volume] = []
    problems: list[str] = []
    for i, case in enumerate(cases):
        try:
            volumes.append(prepare_cached(case, common.scheme, common.modalities, options))
            prepared.append(i)
        except DataError as error:
            problems.append(str(error))
        if options.progress is not None:
            options.progress(i + 1, len(cases))
    if problems and (options.on_error == "stop" or not volumes):
        raise DataError("\n".join(problems))
    splits = np.array([cases[i].split for i in prepared])
    dataset = VolumeDataset(
        volumes=tuple(volumes),
        groups=np.unique(np.array(common.patients)[prepared], return_inverse=True)[1].astype(
            np.int64
        ),
        modalities=common.modalities,
        scheme=common.scheme,
    )
    return LoadedVolumes(
        dataset=dataset,
        notes=(*notes, *further, *_describe_cases([volume.record for volume in volumes])),
        skipped=tuple(problems),
        source_split=splits if splits.any() else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Common:
    """What is settled for all cases before any is prepared.

    Attributes:
        patients: One for each case.
        modalities: Those that are used.
        scheme: Meaning of the labels.
    """

    patients: Sequence[str]
    modalities: tuple[str, ...]
    scheme: LabelScheme


def _choose_together(
    cases: Sequence[RawCase], options: VolumeOptions, notes: list[str], further: list[str]
) -> _Common:
    """Settle what all cases share; notes about patients are `further` ones.

    Raises:
        DataError: Names all that is wrong.
    """
    problems: list[str] = []
    if unlabeled := [case.id for case in cases if case.label_file is None]:
        problems.append(
            f"Expected a label file in every case, found none in {first_few(unlabeled)}. Add the "
            "files (such as seg.nii.gz), move the cases away, or predict them one by one. Files "
            "with other names or in other folders are listed in a table (--table CSV with case, "
            "label and a column of files for each modality)."
        )
    patients = _choose_patients(cases, options, further, problems)
    if options.check_patients is not None and all(patients):
        problems += options.check_patients(patients)
    modalities, scheme = options.modalities or (), None
    for name in modalities:
        lacking = []
        for case in cases:
            if name not in case.images:
                lacking.append(f"{case.id} (has {', '.join(case.images) or 'none'})")
        if lacking and (options.on_error == "stop" or len(lacking) == len(cases)):
            problems.append(
                f"Expected modality {name} (--modalities) in every case, found none in "
                f"{first_few(lacking)}. Leave {name} out, or add the files."
            )
    try:
        modalities = modalities or _shared_modalities(cases, notes)
    except DataError as error:
        problems.append(str(error))
    try:
        labeled = [case for case in cases if case.label_file is not None]
        scheme = _choose_scheme(labeled, options, notes) if labeled else None
    except DataError as error:
        problems.append(str(error))
    if problems or scheme is None:
        raise DataError("\n".join([*problems, *_header_faults(cases)]))
    return _Common(patients=patients, modalities=modalities, scheme=scheme)


def _header_faults(cases: Sequence[RawCase]) -> list[str]:
    """Return what is wrong with the headers of NIfTI files, for a refusal with another reason."""
    faults = []
    for case in cases:
        shapes: dict[tuple[int, ...], str] = {}
        for file in (*case.images.values(), case.mask_file, case.label_file):
            if file is None or suffix_of(file) not in NIFTI:
                continue
            try:
                shapes.setdefault(header_of(file).shape, file.name)
            except DataError as error:
                faults.append(str(error))
        if len(shapes) > 1:
            (first, name), (second, other), *_ = shapes.items()
            faults.append(
                f"Case {case.id}: expected volumes of one shape, got {first} ({name}) and {second} "
                f"({other})."
            )
    n_more = len(faults) - MOST_FAULTS
    return faults[:MOST_FAULTS] + ([f"{n_more:,} more headers are not read."] if n_more > 0 else [])


def prepare_cached(
    case: RawCase, scheme: LabelScheme, modalities: Sequence[str], options: VolumeOptions
) -> Volume:
    """Load the case prepared from the same files and options, or prepare it if absent or damaged.

    Raises:
        DataError: See `equipoise.data.volumes.preparing.prepare`.
    """
    folder = options.prepared_folder / source_digest(case, scheme, modalities, n4=options.n4)
    if is_complete(folder):
        volume = load_volume(folder)
        if volume.record.voxels:  # older ones were not checked for NaN
            return volume
    return prepare(case, scheme, modalities, folder, n4=options.n4)


def _shared_modalities(cases: Sequence[RawCase], notes: list[str]) -> tuple[str, ...]:
    """Return the modalities that every case has, and note the others."""
    available: set[str] = set()
    for case in cases:
        available.update(case.images)
    shared = available.intersection(*[case.images for case in cases])
    if not shared:
        modalities = [f"{case.id}: {', '.join(case.images) or 'none'}" for case in cases]
        raise DataError(
            f"Expected a modality that every case has, got none. {first_few(modalities)}. "
            "Check the names of the files."
        )
    if left_out := sorted(available - shared):
        notes.append(f"Modalities left out because not every case has them: {', '.join(left_out)}.")
    return tuple(sorted(shared))


def _choose_scheme(
    cases: Sequence[RawCase], options: VolumeOptions, notes: list[str]
) -> LabelScheme:
    """Return the requested label scheme, or guess it from the values in all files and note that."""
    if options.labels in LABEL_SCHEMES:
        return LABEL_SCHEMES[options.labels]
    values_of_cases: dict[str, tuple[int, ...]] = {}
    faults: list[str] = []
    for case in cases:
        try:
            values_of_cases[case.id] = _cached_label_values(case, options)
        except DataError as error:
            faults.append(str(error))
    if faults:
        raise DataError("\n".join(faults))
    values = sorted({0}.union(*values_of_cases.values()))
    if options.labels == PLAIN:
        return plain(values)
    scheme = guess_scheme(values_of_cases)
    notes.append(
        f"The label files have {', '.join(map(str, values))}, which was taken for '{scheme.name}': "
        f"{scheme.summary}. If that is wrong, name the scheme with labels (--labels): "
        f"{', '.join((*LABEL_SCHEMES, PLAIN))}."
    )
    return scheme


def _choose_patients(
    cases: Sequence[RawCase], options: VolumeOptions, notes: list[str], problems: list[str]
) -> list[str]:
    """Return the patient of each case; without any, each case is a patient, and that is noted."""
    names = [case.id for case in cases]
    if options.groups is not None:
        patients, faults = find_patients(names, options.groups)
        problems += faults
        return patients
    patients = [case.patient for case in cases]
    if all(patients):
        return patients
    notes += [NO_PATIENTS, *suggest_groups(names, 1)]
    return names


def _cached_label_values(case: RawCase, options: VolumeOptions) -> tuple[int, ...]:
    """Return the values of a case's label file, cached so that a second run need not decode it."""
    if case.label_file is None:
        return ()
    entry = options.prepared_folder / "labels" / f"{file_digest(case.label_file)}.json"
    try:
        return tuple(map(int, read_json(entry)))
    except (OSError, LookupError, TypeError, ValueError):
        values = label_values(read_volume(case.label_file), case.id)
        write_json(entry, values)
        return values


def _describe_cases(records: Sequence[CaseRecord]) -> list[str]:
    """Describe what was noticed while preparing, each thing once with the names of its cases."""
    cases: dict[str, list[str]] = {
        "without any tumor": [],
        "with tumor voxels outside the brain, which are kept": [],
        "whose brain mask also covers air, which was left out": [],
        "without a constant background: unless they have a brain mask, "
        "all of the volume counts as brain": [],
    }
    no_tumor, outside, air, no_background = cases.values()
    for record in records:
        if not any(record.counts[1:]):
            no_tumor.append(record.id)
        if record.tumor_outside_brain:
            outside.append(record.id)
        if record.air_in_mask:
            air.append(record.id)
        if not record.has_background:
            no_background.append(record.id)
    return [f"Cases {what} ({len(ids)}): {first_names(ids)}." for what, ids in cases.items() if ids]

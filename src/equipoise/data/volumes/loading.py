"""From the files of many cases to a dataset: the work that every reader of volumes shares."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.atomic import read_json, write_json
from equipoise.data.images.listing import find_patients, first_few
from equipoise.data.volume_dataset import Volume, VolumeDataset, load_volume
from equipoise.data.volumes.case_files import file_digest
from equipoise.data.volumes.file import read_volume
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

DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
)  # what reading a damaged entry of the cache raises
NO_PATIENTS = (
    "No patients were named, so every case counts as a patient of its own. If patients have several cases, name "
    "them with groups (a regular expression) or a table that has a column of patients, or the comparison leaks."
)


def load_cases(
    cases: Sequence[RawCase], options: VolumeOptions, notes: Sequence[str] = ()
) -> LoadedVolumes:
    """Prepare cases, or take them from the cache, and make a dataset of them.

    Raises:
        DataError: A case has no label file, modalities or labels are not as expected, or cases cannot be prepared;
            the message names all of these.
    """
    cases = sorted(cases, key=lambda case: case.id)
    if unlabeled := [case.id for case in cases if case.label_file is None]:
        raise DataError(
            f"Expected a label file in every case, found none in {first_few(unlabeled)}. Add the files (such as "
            "seg.nii.gz), move the cases away, or predict them one by one."
        )
    modalities, left_out = _modalities(cases, options)
    scheme, guessed = _scheme(cases, options)
    done, faults = _prepare_all(cases, scheme, modalities, options)
    if faults and (options.on_error == "stop" or not done):
        raise DataError("\n".join(faults))
    kept = [case for case, _ in done]
    volumes = tuple(volume for _, volume in done)
    patients, nameless = _patients(kept, options)
    splits = np.array([case.split for case in kept])
    return LoadedVolumes(
        dataset=VolumeDataset(
            volumes=volumes,
            groups=np.unique(patients, return_inverse=True)[1].astype(np.int64),
            modalities=modalities,
            scheme=scheme,
        ),
        notes=(*notes, *left_out, *guessed, *nameless, *_noticed(volumes)),
        skipped=tuple(faults),
        source_split=splits if splits.any() else None,
    )


def prepare_cached(
    case: RawCase, scheme: LabelScheme, modalities: Sequence[str], options: VolumeOptions
) -> Volume:
    """Give what was prepared before of the same files and options, or prepare it; a damaged entry is made anew.

    Raises:
        DataError: See `equipoise.data.volumes.preparing.prepare`.
    """
    folder = options.prepared_folder / source_digest(case, scheme, modalities, n4=options.n4)
    if _is_whole(folder):
        return load_volume(folder)
    return prepare(case, scheme, modalities, folder, n4=options.n4)


def _is_whole(folder: Path) -> bool:
    try:
        sizes = read_json(folder / "case.json")["bytes"]
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except DAMAGE:
        return False


def _prepare_all(
    cases: Sequence[RawCase], scheme: LabelScheme, modalities: Sequence[str], options: VolumeOptions
) -> tuple[list[tuple[RawCase, Volume]], list[str]]:
    done, faults = [], []
    for n_done, case in enumerate(cases, start=1):
        try:
            done.append((case, prepare_cached(case, scheme, modalities, options)))
        except DataError as error:
            faults.append(str(error))
        if options.progress is not None:
            options.progress(n_done, len(cases))
    return done, faults


def _modalities(
    cases: Sequence[RawCase], options: VolumeOptions
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Choose the channels, and say what is left out."""
    found = sorted({name for case in cases for name in case.images})
    if options.modalities is not None:
        return options.modalities, ()
    shared = tuple(name for name in found if all(name in case.images for case in cases))
    if not shared:
        each = first_few([f"{case.id}: {', '.join(case.images) or 'none'}" for case in cases])
        raise DataError(
            f"Expected a modality that every case has, got none. {each}. Check the names of the files."
        )
    some = [name for name in found if name not in shared]
    note = f"Modalities left out because not every case has them: {', '.join(some)}."
    return shared, (note,) if some else ()


def _scheme(
    cases: Sequence[RawCase], options: VolumeOptions
) -> tuple[LabelScheme, tuple[str, ...]]:
    """Choose the table of labels, and say so if it was guessed."""
    if options.labels in LABEL_SCHEMES:
        return LABEL_SCHEMES[options.labels], ()
    values = sorted({0}.union(*(_values(case, options) for case in cases)))
    if options.labels == PLAIN:
        return plain(values), ()
    scheme = guess_scheme(values)
    return scheme, (
        f"The label files hold {', '.join(map(str, values))}, which was taken for '{scheme.name}': "
        f"{scheme.summary}. If that is wrong, name the scheme with labels: {', '.join((*LABEL_SCHEMES, PLAIN))}.",
    )


def _values(case: RawCase, options: VolumeOptions) -> tuple[int, ...]:
    """Give the values of a case's label file; they are kept, so that a second run need not decode the file."""
    if case.label_file is None:
        return ()
    entry = options.prepared_folder / "labels" / f"{file_digest(case.label_file)}.json"
    try:
        return tuple(int(value) for value in read_json(entry))
    except (*DAMAGE, json.JSONDecodeError):
        values = label_values(read_volume(case.label_file), case.id)
        write_json(entry, values)
        return values


def _patients(
    cases: Sequence[RawCase], options: VolumeOptions
) -> tuple[list[str], tuple[str, ...]]:
    if options.groups is not None:
        return find_patients([case.id for case in cases], options.groups), ()
    if all(case.patient for case in cases):
        return [case.patient for case in cases], ()
    return [case.id for case in cases], (NO_PATIENTS,)


def _noticed(volumes: Sequence[Volume]) -> list[str]:
    """Say what was noticed while preparing, each thing once with the names of its cases."""
    facts = [volume.facts for volume in volumes]
    things: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
        ("Cases without any tumor", lambda one: not any(one["counts"][1:])),
        (
            "Cases with tumor voxels outside the brain, which are kept",
            lambda one: one["tumor_outside_brain"],
        ),
        (
            "Cases whose brain mask also covers air, which was left out",
            lambda one: one["air_in_mask"],
        ),
        (
            "Cases without a constant background: unless they have a brain mask, all of the volume counts as brain",
            lambda one: not one["has_background"],
        ),
    ]
    named = [(thing, [one["id"] for one in facts if is_so(one)]) for thing, is_so in things]
    return [f"{thing} ({len(ids)}): {first_few(ids)}." for thing, ids in named if ids]

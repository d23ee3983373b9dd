"""Columns of a table that name patients, found by what their headers mean."""

import re
from collections.abc import Sequence

from equipoise.data.csv_table import Table, compact
from equipoise.data.spelling import is_missing, spellings

_QUALIFIER = (
    "(anon(ymi[sz]ed)?|pseudo(nymi[sz]ed)?|deid(entified)?|dicom|hashed|masked|original|source|"
    "unique)?"
)
_ID = (
    "(s?(id|ids|uid|uuid|guid|no|nr|num|number|nummer|code|key|name|hash|identifier|pseudonym|"
    "barcode|instanceuid))"
)
_FOREIGN = (
    r"(患者|病人|病患|患儿|受试者|被试|被験者|환자|пациент|ασθεν|مريض|المريض|रोगी)"
    r"\w{0,4}(id|no|nr)?"
)
# From what is split as a whole to its parts: the first kind that a table has is taken.
PATIENTS = re.compile(
    f"{_QUALIFIER}((patient(en|in)?s?|subjects?|participants?|person|individual|donor|proband(en)?|"
    f"volunteer|paciente|paziente|sujet|sujeto){_ID}*|{_FOREIGN}|(pat|subj|usubj|sub|pt|animal|mouse){_ID}|"
    "eid|mrn|pid|rid)"
)
PARTS = (
    re.compile(f"{_QUALIFIER}groups?{_ID}*"),
    re.compile(f"{_QUALIFIER}cases?{_ID}*"),
    re.compile(f"{_QUALIFIER}(stud(y|ies)|exams?|examination|visit|session|admission){_ID}"),
    re.compile("accession(number|no|nr|id)?"),
    re.compile(f"{_QUALIFIER}((specimen|biopsy|block|sample|tissue){_ID}|lesions?{_ID}*)"),
    re.compile(f"{_QUALIFIER}((slides?|wsi){_ID}*|(scan|series|acquisition|eye|organ){_ID}+)"),
)
# The last word of a header that may be that of patients, and words of headers that are not.
_LAST_WORD = re.compile(f"{_ID}|.+[^aloprsuv]id")  # no valid, lipid, covid, grid, fluid, android
_OTHER_WORD = re.compile(
    "age|annotator|batch|camera|cent(er|re)|class|clinic|cohort|crop|dataset|day|device|diagnosis|"
    "dx|file|filename|fold|frame|gender|grade|hospital|icd|image|img|institution|instance|label|"
    "machine|manufacturer|model|page|patch|path|position|postal|postcode|race|rater|reader|row|"
    "scanner|sex|site|slice|split|step|tile|time|vendor|view|visit|year|zip"
)


def patient_column(table: Table, taken: Sequence[str | None] = ()) -> str | None:
    """Return the column that names the patients of a table, None where no header says so.

    Patients come before cases, studies, lesions, slides and scans, which stand for patients where a
    table has nothing better. Empty columns do not count, and parts of patients only if they repeat.

    Args:
        table: The table.
        taken: Columns with another role.

    Example:
        >>> from pathlib import Path
        >>> from equipoise.data.csv_table import TableRow
        >>> rows = [TableRow(line=n, cells={"Lesion ID": "a", "PatientID": "b"}) for n in (2, 3)]
        >>> columns = ("Lesion ID", "PatientID")
        >>> patient_column(Table(path=Path("t.csv"), columns=columns, rows=tuple(rows)))
        'PatientID'
    """
    candidates: list[str] = []
    for kind in (PATIENTS, *PARTS):
        for column in table.columns:
            if column in taken or not kind.fullmatch(compact(column)):
                continue
            values = _values(table, column)
            repeats = len(set(values)) < len(values)
            if values and (kind is PATIENTS or repeats):
                return column
            if values:
                candidates.append(column)
    return candidates[0] if candidates else None


def means_patients(column: str) -> bool:
    """Return whether a header means patients, not lesions or slides that stand for them."""
    return PATIENTS.fullmatch(compact(column)) is not None


def look_like_patients(
    table: Table, taken: Sequence[str | None], labels: Sequence[str]
) -> list[str]:
    """Return columns that may name patients: an id by its header, with values that repeat.

    Args:
        table: The table.
        taken: Columns with a role.
        labels: The label of each row; ids of a few classes or sites are not patients.
    """
    suspects: list[str] = []
    for column in table.columns:
        if column in taken or not _is_id(column):
            continue
        values = _values(table, column)
        n_different = len(set(values))
        if max(2, len(set(labels))) < n_different < 0.95 * len(values):
            suspects.append(column)
    return suspects


def same_patients(names: Sequence[str]) -> dict[str, str]:
    """Return name -> the spelling that stands for it, where patients are spelled in several ways.

    Example:
        >>> same_patients(["p1", "P1", "p2"])
        {'P1': 'P1', 'p1': 'P1'}
    """
    replacements: dict[str, str] = {}
    for group in spellings(names):
        for name in group:
            replacements[name] = group[0]
    return replacements


def _is_id(column: str) -> bool:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower()
    words = re.findall(r"[^\W_]+", spaced)
    if any(map(_OTHER_WORD.fullmatch, words)):
        return False
    last = words[-1] if words else ""
    return _LAST_WORD.fullmatch(last) is not None or PATIENTS.fullmatch(last) is not None


def _values(table: Table, column: str) -> list[str]:
    """Return the cells of a column that are not missing."""
    return [cell for cell in table.cells(column) if not is_missing(cell)]

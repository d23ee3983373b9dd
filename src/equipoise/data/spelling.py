"""Names that people spell in several ways, and words that mean that a value is missing."""

import re
import shlex
import unicodedata
from collections.abc import Collection, Iterable

from equipoise.data.positive_class import sounds_healthy

MISSING = frozenset(("", "?", "-", "--", ".", "nan", "na", "n/a", "#n/a", "n.a.", "<na>", "nat"))
MISSING_WORD = re.compile(
    "null|nil|not available|#null!|#nv|#value!|not a number|unknown|unk|undefined|unlabell?ed|"
    "un(classified|specified|assigned|annotated)|(not|no|to be|without) label(led|ed)?|missing|"
    "tbd|to do|todo|n/d|n\\.d\\.|not (known|specified|assigned|annotated)|unbekannt|inconnue?|"
    "desconocid[oa]|desconhecid[oa]|sconosciut[oa]|onbekend"
)


def same_spelling(name: str) -> str:
    """Return a name in the form that all of its spellings have in common.

    Case, spaces, "_" and "-" between words, and the form of numbers (1, 01, 1.0) do not count.

    Example:
        >>> [same_spelling(name) for name in ("No Finding", "no_finding", "CIN-1", "cin 01", "1.0")]
        ['nofinding', 'nofinding', 'cin1', 'cin1', '1']
    """
    text = unicodedata.normalize("NFKC", name).casefold().strip()
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    text = re.sub(r"(?<!\d)[\s_]+|[\s_]+(?!\d)|(?<=[^\W\d_])-|(?<=\d)-(?!\d)", "", text)
    text = re.sub(r"(?<![\d.,])0+(?=\d)", "", text)
    return re.sub(r"(?<![\d.,])(\d+)[.,]0*(?![\d.,])", r"\1", text) or name


def spellings(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups of different names that are spellings of one name.

    Example:
        >>> spellings(["normal", "Normal", "ill", "1", "1.0"])
        [('Normal', 'normal'), ('1', '1.0')]
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(same_spelling(name), []).append(name)
    several = [tuple(group) for group in groups.values() if len(group) > 1]
    return sorted(several, key=lambda group: group[0], reverse=True)


def is_missing(value: str, values: Collection[str] = ()) -> bool:
    """Return whether a value means that there is none: "", "nan", "N/A", "?" and so on.

    Args:
        value: The value.
        values: The other values of the column. "none" is missing among numbers, and where another
            value sounds healthy; elsewhere it may be the healthy class. "-" is not, beside "+".

    Example:
        >>> is_missing("NaN"), is_missing("None", ["normal", "ill"]), is_missing("none", ["mild"])
        (True, True, False)
    """
    word = value.strip().casefold()
    others = {other for other in values if other != value}
    if word == "-":
        return "+" not in others
    if word == "none":
        names = [other for other in others if other.strip().casefold() != "none"]
        numbers = bool(names) and all(re.fullmatch(r"[\d.,+-]+", name) for name in names)
        return numbers or any(sounds_healthy(name, names) for name in names)
    return word in MISSING or MISSING_WORD.fullmatch(re.sub(r"[\s_-]+", " ", word)) is not None


def class_name_faults(names: Collection[str]) -> list[str]:
    """Return what is wrong with the names of classes, a sentence each.

    Example:
        >>> class_name_faults(["normal", "ill"])
        []
        >>> len(class_name_faults(["normal", "Normal", "nan"]))
        2
    """
    faults: list[str] = []
    for group in spellings(names):
        listed = ", ".join(map(repr, group))
        faults.append(
            f"classes {listed} differ only in spelling. Merge them under one name, or rename them."
        )
    for name in sorted(set(names)):
        if is_missing(name, names):
            faults.append(
                f"class {name!r} is called like a missing label. Leave it out with ignore "
                f"(--ignore {shlex.quote(name)}), or rename it."
            )
    return faults

"""Names of files and patients in sentences: marked where a sentence is made, hidden in a page.

A note that names files goes to the terminal, into `study.json` and into `report.html`. Only the
report leaves the hospital, so names are marked at the origin, and the report can hide them.
"""

import re
from collections.abc import Iterable, Sequence

HIDDEN = "[hidden]"
# Characters that move the cursor, change colors, reorder a line or are no text at all.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_MARKED = re.compile(r"“[^”]*”(?:, “[^”]*”)*(?: and \d+ more)?")
# Neither before nor behind a root stands what belongs to a pattern, such as ([^/_]+).
_PATH = re.compile(
    r"(?<![\w/<^])(?:[A-Za-z]:[\\/]|\\\\|~?/|\.\.?/)(?![])+*?])(?:(?! ['\"“(])[^\n'\"”;:,)])+"
)
_SUFFIXES = (
    "png|jpe?g|tiff?|bmp|gif|webp|dcm|dicom|ima|nii|nrrd|mha|mhd|img|hdr|raw|npz|npy|zip|gz|svs|mrxs|ndpi|"
    "csv|tsv|xlsx|json|txt|xml|pt|pth|safetensors|py"
)
_FILE = re.compile(rf"[^\s'\"“”(),;:]+\.(?:{_SUFFIXES})\b(?:\.gz)?", re.IGNORECASE)


def printable(text: str) -> str:
    r"""Return a text whose control characters are written as escapes; line ends and tabs stay.

    Example:
        >>> printable("p7\x1b[2J.png")
        'p7\\x1b[2J.png'
    """
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def quoted(name: object) -> str:
    r"""Return the name of a file or patient for a sentence, in “ ”, on one line.

    Example:
        >>> quoted("a\nb.png")
        '“a\\nb.png”'
    """
    text = str(name).replace("“", '"').replace("”", '"').replace("\n", r"\n").replace("\t", r"\t")
    return f"“{printable(text)}”"


def first_names(names: Sequence[str], n_shown: int = 5) -> str:
    """Return the names of files or patients for a sentence, with the number of those left out.

    Example:
        >>> first_names(["a", "b", "c", "d"], n_shown=2)
        '“a”, “b” and 2 more'
    """
    n_more = len(names) - n_shown
    return ", ".join(map(quoted, names[:n_shown])) + (f" and {n_more} more" if n_more > 0 else "")


def first_lines(lines: Sequence[str], n_shown: int) -> str:
    """Return lines of a message, indented, with the number of those left out.

    Example:
        >>> print(first_lines(["a", "b", "c"], 2))
          a
          b
          and 1 more
    """
    text = [f"  {line}" for line in lines[:n_shown]]
    if len(lines) > n_shown:
        text.append(f"  and {len(lines) - n_shown} more")
    return "\n".join(text)


def without_names(text: str, ids: Iterable[str] = ()) -> str:
    """Return a sentence whose names are hidden: marked ones, paths, file names and known ids.

    Args:
        text: The sentence.
        ids: Names that are hidden wherever they stand as a whole word, the longest first.

    Example:
        >>> without_names("Constant images (2): “a/p7.png”, “b.png”. See /data/Ms Smith/p8.png.")
        'Constant images (2): [hidden]. See [hidden]'
        >>> without_names("Case brain-7 has no tumor.", ["brain-7"])
        'Case [hidden] has no tumor.'
    """
    for pattern in (_MARKED, _PATH, _FILE):
        text = pattern.sub(HIDDEN, text)
    for name in sorted(ids, key=len, reverse=True):
        if name in text:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", HIDDEN, text)
    return text

"""The positive class where nobody names one: the rarest class that does not sound healthy.

The smallest class of a medical data set is often the healthy one, because patients are imaged and
healthy people are not. What is looked for is then one of the other classes.
"""

import re
import unicodedata
from collections.abc import Sequence

from equipoise.arrays import Labels

Counts = Labels | Sequence[int]

# A word anywhere in a name.
HEALTHY_WORD = re.compile(
    "absent|asymptomatic|benign[aeo]?|benin|controls?|ctrl|gesund|healthy|kontrolle|naev(i|us)|"
    "neg|negativ[eo]?|nev(i|us)|none|nondemented|norm|normale?s?|normalbefund|saine?|san[ao]|"
    "saudavel|temoin|unaffected|unauffallig|undiseased|uninfected|uninvolved|unremarkable"
)
# "not normal" and "atypical nevus" are no healthy classes, though they contain such a word.
COUNTERWORD = re.compile("atypical|dysplastic|malignant|melanoma|non|not|suspicious|triple")
# A whole name: "wnl" is "within normal limits", "nv" the nevi of ISIC, "cn" cognitively normal.
HEALTHY_CODE = re.compile(
    "cn|false|hc|nad|nc|nilm|nl|no|nv|wnl|(grade|isup|kl|level|score|stage)0+"
)
ABSENCE = re.compile("absence|keinen?|no|ohne|sans|sem|sin|without")
FINDING = re.compile(
    "abnormality|cancer|covid(19)?|defect|demented|dementia|diseased?|dr|findings?|fracture|"
    "glaucoma|hemorrhage|infected|infection|lesions?|malignan(cy|t)|mass|melanoma|metastasis|"
    "pathology|pneumonia|pneumothorax|polyp|stroke|tb|tuberculosis|tumou?r"
)
REQUESTED = "as requested"
LEAST_IMAGES = 8  # of a class that can be judged: a quarter of them, two, are in a test part
ONE_OF_TWO = {"0": "1", "-": "+", "b": "m", "f": "t", "n": "y"}


def sounds_healthy(name: str, class_names: Sequence[str] = ()) -> bool:
    """Return whether a class is named like the absence of disease.

    Args:
        name: Name of the class.
        class_names: Names of all classes: "non-x" is the absence of a class "x", and 0 that of 1
            if there are no others.

    Example:
        >>> list(map(sounds_healthy, ["No finding", "NORM", "notumor", "abnormal", "not normal"]))
        [True, True, True, False, False]
        >>> sounds_healthy("0", ["0", "1"]), sounds_healthy("0", ["0", "1", "2"])
        (True, False)
    """
    words = _words(name)
    compact = "".join(words)
    others = {_code(other) for other in class_names if other != name}
    if others == {ONE_OF_TWO.get(_code(name))}:
        return True
    is_healthy = any(map(HEALTHY_WORD.fullmatch, words))
    if any(map(ABSENCE.fullmatch, words[:1])) or words[-1:] == ["free"]:
        return not is_healthy
    if HEALTHY_CODE.fullmatch(compact):
        return True
    if is_healthy:
        return not any(map(COUNTERWORD.fullmatch, words))
    denied = re.fullmatch(r"(?:non?|not|un)(.+)", compact)
    if denied is None or HEALTHY_WORD.fullmatch(denied[1]):
        return False
    is_other_class = denied[1] in {"".join(_words(other)) for other in others}
    return is_other_class or FINDING.fullmatch(denied[1]) is not None


def default_positive_class(class_names: Sequence[str], counts: Counts) -> int:
    """Return the rarest class that a split can judge and that does not sound healthy.

    Where all such classes have fewer than `LEAST_IMAGES`, it is the rarest of them, and where all
    classes sound healthy, the rarest of all.

    Args:
        class_names: k names.
        counts: (k,) number of images of each class.

    Example:
        >>> import numpy as np
        >>> default_positive_class(["covid", "normal", "pneumonia"], np.array([200, 100, 300]))
        0
        >>> default_positive_class(["basophil", "neutrophil"], np.array([3, 200]))
        1
    """
    classes = sorted(range(len(class_names)), key=lambda label: (int(counts[label]), label))
    occurring = [label for label in classes if counts[label]]
    others = [label for label in occurring if not sounds_healthy(class_names[label], class_names)]
    judged = [label for label in others if counts[label] >= LEAST_IMAGES]
    return (judged or others or occurring)[0]


def positive_class_reason(class_names: Sequence[str], counts: Counts, positive: int) -> str:
    """Return why a class is the positive one: "the smallest", for example."""
    if positive != default_positive_class(class_names, counts):
        return REQUESTED
    healthy: list[str] = []
    few: list[str] = []
    for name, n in zip(class_names, counts, strict=True):
        if 0 < n < counts[positive]:
            (healthy if sounds_healthy(name, class_names) else few).append(name)
    reasons = []
    if healthy:
        verb = "sounds" if len(healthy) == 1 else "sound"
        reasons.append(f"{', '.join(healthy)}, which {verb} healthy")
    if few:
        verb = "has" if len(few) == 1 else "have"
        reasons.append(f"{', '.join(few)}, which {verb} too few images to be judged")
    return f"the smallest but for {', and '.join(reasons)}" if reasons else "the smallest"


def _code(name: str) -> str:
    """Return a name in lower case, and 0.0 as 0."""
    return re.sub(r"(?<=\d)[.,]0*$", "", name.strip().lower())


def _words(name: str) -> list[str]:
    """Split a name into lower-case words without accents: "NoFinding" into "no", "finding"."""
    parts = unicodedata.normalize("NFKD", name)
    letters = "".join(letter for letter in parts if not unicodedata.combining(letter))
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", letters)
    return re.findall(r"[^\W_]+", spaced.lower())

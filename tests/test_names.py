"""Names are marked at the origin, printable, and can be hidden."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.names import HIDDEN, printable, quoted, without_names


@given(st.text())
def test_a_quoted_name_is_hidden_whole_and_printable(name: str) -> None:
    assert without_names(f"Left out (2): {quoted(name)}, {quoted('b')} and 3 more.") == (
        f"Left out (2): {HIDDEN}."
    )
    assert quoted(name).isprintable() or not name.isprintable()
    assert len(quoted(name).splitlines()) == 1
    assert printable(printable(name)) == printable(name)


@pytest.mark.parametrize(
    "place",
    [
        "/data/Ms Jane Doe/film 7.png",
        "~/scans/p7.dcm",
        "C:\\Scans\\Jane Doe\\7.png",
        "\\\\server\\share\\Jane",
        "../Jane/p7.png",
        "jane/p7.nii.gz",
        "JANE_7.PNG",
        "Jane.mha",
    ],
)
def test_paths_and_files_are_hidden(place: str) -> None:
    assert "ane" not in without_names(f"Cannot read {place}: truncated.").replace("truncated", "")
    assert "truncated" in without_names(f"Cannot read '{place}': truncated.")


@pytest.mark.parametrize(
    "sentence",
    [
        "Use groups (--groups '([^/]+)[_-][^/]*').",
        "Use groups (--groups '([^/_]+)[_-][^/]*$').",
        "critic_loss became NaN at step 812, loss 0.125 and/or 1e-3.",
        "Kept the train/val split, 12 of 3/4 images of melanoma.",
        "Out of memory: tried to allocate 2.5 GiB. See thresholds of numpy.float32.",
    ],
)
def test_other_text_stays(sentence: str) -> None:
    assert without_names(sentence, ["image-1", "p12"]) == sentence


def test_ids_are_hidden_as_whole_words() -> None:
    ids = ["benign/p1", "p1", "p12"]
    assert without_names("p1 and p12, not p123: benign/p1.", ids) == (
        f"{HIDDEN} and {HIDDEN}, not p123: {HIDDEN}."
    )

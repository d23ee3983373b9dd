from equipoise.runs.duplicate_pairs import DuplicatePairs

STORED = {
    "exact": [["a", "b"]],
    "near": [["c", "d"]],
    "conflicting": [["a", "b"]],
    "crossing": {"split-0": [["a", "b"]]},
    "crossing_validation": {},
}


def test_pairs_survive_a_round_trip() -> None:
    pairs = DuplicatePairs.from_json(STORED)
    assert pairs.into_test == {"split-0": (("a", "b"),)}
    assert pairs.to_json() == STORED
    assert pairs.crosses


def test_pairs_of_earlier_versions_are_read() -> None:
    pairs = DuplicatePairs.from_json({"exact": [], "near": [["c", "d"]]})
    assert (pairs.near, pairs.conflicting, pairs.crosses) == ((("c", "d"),), (), False)

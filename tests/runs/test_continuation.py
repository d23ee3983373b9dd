from equipoise.atomic import JsonValue
from equipoise.runs.continuation import differences


def test_differences_name_the_place() -> None:
    stored: JsonValue = {"steps": [{"name": "balance", "n": 1}], "same": 3}
    requested: JsonValue = {"steps": [{"name": "balance", "n": 2}], "same": 3, "new": None}
    assert list(differences(stored, requested)) == ["steps, balance, n: stored 1, requested 2"]
    assert list(differences([1], [1, 2], at="x")) == ["x: stored [1], requested [1, 2]"]
    assert list(differences(stored, stored)) == []

from equipoise.atomic import JsonValue
from equipoise.runs.continuation import differences, precision_advice


def test_differences_name_the_place() -> None:
    stored: JsonValue = {"steps": [{"name": "balance", "n": 1}], "same": 3}
    requested: JsonValue = {"steps": [{"name": "balance", "n": 2}], "same": 3, "new": None}
    assert list(differences(stored, requested)) == ["steps, balance, n: stored 1, requested 2"]
    assert list(differences([1], [1, 2], at="x")) == ["x: stored [1], requested [1, 2]"]
    assert list(differences(stored, stored)) == []


def test_a_run_of_another_precision_alone_says_how_it_continues() -> None:
    difference = "classify, precision: stored '32-true', requested 'x'"
    lines = [f"method {name}, {difference}" for name in "ab"]
    assert "--precision 32-true" in precision_advice(lines)
    of_a_gan = "method dcgan, balance, schedule, precision: stored 'bf16-mixed', requested 'x'"
    assert "--precision bf16-mixed" in precision_advice([of_a_gan])
    assert precision_advice([*lines, of_a_gan]) == ""
    assert precision_advice([*lines, "dataset, fingerprint: stored 'a', requested 'b'"]) == ""

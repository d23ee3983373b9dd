"""`DuplicatePairs`: the result of the duplicate scan, as `duplicates.json` stores it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from equipoise.atomic import JsonFields, JsonValue

Pair = tuple[str, str]  # ids of two images
PairsBySplit = Mapping[str, tuple[Pair, ...]]


@dataclass(frozen=True, kw_only=True)
class DuplicatePairs:
    """Pairs of duplicate images by their ids.

    Attributes:
        exact: Identical images.
        near: Nearly identical images.
        conflicting: The pairs of either kind whose labels differ.
        into_test: {split: pairs with one image in its test part and one in another part}.
        into_validation: {split: pairs with one image in validation and one in train}.
    """

    exact: tuple[Pair, ...] = ()
    near: tuple[Pair, ...] = ()
    conflicting: tuple[Pair, ...] = ()
    into_test: PairsBySplit = field(default_factory=dict)
    into_validation: PairsBySplit = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: JsonFields) -> Self:
        """Build the record from the content of `duplicates.json`."""
        return cls(
            exact=_pairs(value["exact"]),
            near=_pairs(value["near"]),
            conflicting=_pairs(value.get("conflicting", ())),
            into_test=_by_split(value.get("crossing", {})),
            into_validation=_by_split(value.get("crossing_validation", {})),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the content of `duplicates.json`."""
        return {
            "exact": _lists(self.exact),
            "near": _lists(self.near),
            "conflicting": _lists(self.conflicting),
            "crossing": _lists_by_split(self.into_test),
            "crossing_validation": _lists_by_split(self.into_validation),
        }

    @property
    def crosses(self) -> bool:
        """Whether any pair lies on both sides of a split."""
        return any(self.into_test.values()) or any(self.into_validation.values())


def _pair(value: Sequence[str]) -> Pair:
    first, second = value
    return first, second


def _pairs(value: Sequence[Sequence[str]]) -> tuple[Pair, ...]:
    return tuple(map(_pair, value))


def _lists(pairs: Sequence[Pair]) -> list[JsonValue]:
    return list(map(list, pairs))


def _lists_by_split(pairs: PairsBySplit) -> dict[str, JsonValue]:
    return {split: _lists(of_split) for split, of_split in pairs.items()}


def _by_split(value: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, tuple[Pair, ...]]:
    return {split: _pairs(pairs) for split, pairs in value.items()}

"""What a reader has to know before believing a report; what changes the reading stands out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from equipoise.report.formatting import plural

CELLS = "Cells"
TRAINING = "Training and test"
IMAGES = "The images"
MOST_PROMINENT = 3


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One thing to know.

    Attributes:
        text: A sentence.
        group: `CELLS`, `TRAINING` or `IMAGES`.
        decisive: Whether the verdict means something else, or nothing, because of it.
        is_about_input: Whether it is seen in what was read, so that it was said before training.
    """

    text: str
    group: str
    decisive: bool = False
    is_about_input: bool = False


@dataclass(frozen=True, kw_only=True)
class ArrangedNotices:
    """Notices as the first screen shows them.

    Attributes:
        prominent: Those that are open.
        more: Group -> those that are folded.
    """

    prominent: Sequence[str]
    more: Mapping[str, Sequence[str]]

    @property
    def summary(self) -> str:
        """What the fold holds: its number of notices, and of which groups."""
        parts = [f"{group[0].lower()}{group[1:]} ({len(of)})" for group, of in self.more.items()]
        return f"{plural(sum(map(len, self.more.values())), 'more note')}: {', '.join(parts)}"


def arrange(notices: Iterable[Notice]) -> ArrangedNotices:
    """Open the first `MOST_PROMINENT` that are decisive, or the first of all; fold the rest.

    Example:
        >>> few = Notice(text="Few.", group=TRAINING)
        >>> conflict = Notice(text="Conflict.", group=IMAGES, decisive=True)
        >>> board = arrange([few, few, few, few, conflict])
        >>> board.prominent, board.summary
        (['Conflict.'], '4 more notes: training and test (4)')
    """
    in_order = list(notices)
    if len(in_order) <= MOST_PROMINENT:
        return ArrangedNotices(prominent=[notice.text for notice in in_order], more={})
    decisive = [notice for notice in in_order if notice.decisive]
    prominent = (decisive or in_order)[:MOST_PROMINENT]
    more: dict[str, list[str]] = {}
    for notice in in_order:
        if notice not in prominent:
            more.setdefault(notice.group, []).append(notice.text)
    return ArrangedNotices(prominent=[notice.text for notice in prominent], more=more)

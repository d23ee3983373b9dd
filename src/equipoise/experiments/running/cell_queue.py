"""The order in which cells are trained where several of them share a fit."""

from collections.abc import Callable, Iterator, Sequence, Set

from equipoise.runs.cell import Cell


class CellQueue:
    """Hands out cells in order, but none whose fit another one is making at the time.

    The cell that comes first makes the fit; those that share it wait until that one has ended, and
    use what it stored. A fit is therefore trained once, however many cells are trained at once;
    again only by the cell that comes after one that failed.

    Args:
        cells: In order.
        shared_fits: Returns names of what a cell fits and others may fit, too.

    Example:
        >>> cells = [Cell("gan", "split-0", 0), Cell("curated", "split-0", 0)]
        >>> queue = CellQueue(cells, lambda cell: {f"gan {cell.split}"})
        >>> first = queue.next()
        >>> first.method, queue.next()
        ('gan', None)
        >>> queue.ended(first)
        >>> queue.next().method
        'curated'
    """

    def __init__(self, cells: Sequence[Cell], shared_fits: Callable[[Cell], Set[str]]) -> None:
        self._fits = {cell: frozenset(shared_fits(cell)) for cell in cells}
        self._waiting = list(cells)
        self._maker: dict[str, Cell] = {}  # fit -> the cell that made it, or is making it
        self._training: set[Cell] = set()

    def __bool__(self) -> bool:
        """Return whether a cell is waiting."""
        return bool(self._waiting)

    def next(self) -> Cell | None:
        """Return the first cell that can be trained now; None where all have to wait."""
        for position, cell in enumerate(self._waiting):
            if any(maker in self._training for maker in self.makers(cell)):
                continue
            del self._waiting[position]
            self._training.add(cell)
            for fit in self._fits[cell]:
                self._maker.setdefault(fit, cell)
            return cell
        return None

    def ended(self, cell: Cell, *, failed: bool = False) -> None:
        """Note that a cell is no longer trained; where it failed, the next one makes its fits."""
        self._training.remove(cell)
        for fit in self._fits[cell]:
            if failed and self._maker[fit] == cell:
                del self._maker[fit]

    def again(self, cell: Cell) -> None:
        """Put a cell that was lost back to the front."""
        self._training.remove(cell)
        self._waiting.insert(0, cell)

    def makers(self, cell: Cell) -> Iterator[Cell]:
        """Yield the cells that made, or are making, fits of a cell."""
        makers = dict.fromkeys(self._maker.get(fit, cell) for fit in sorted(self._fits[cell]))
        yield from (maker for maker in makers if maker != cell)

    def has_followers(self, cell: Cell) -> bool:
        """Return whether a waiting cell shares a fit of this one."""
        return any(self._fits[cell] & self._fits[other] for other in self._waiting)

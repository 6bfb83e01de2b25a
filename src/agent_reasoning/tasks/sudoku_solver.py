"""An exact Sudoku solver: for labels, for digging puzzles, and for tests. The service never asks it.

Depth-first over bit masks, always on the cell with the fewest digits left, after naked and hidden singles.
"""

from collections.abc import Sequence

ALL = 0b111_111_111
ROWS = [[9 * r + c for c in range(9)] for r in range(9)]
COLUMNS = [[9 * r + c for r in range(9)] for c in range(9)]
BOXES = [[9 * (3 * (b // 3) + i // 3) + 3 * (b % 3) + i % 3 for i in range(9)] for b in range(9)]
UNITS = ROWS + COLUMNS + BOXES
PEERS = [sorted({p for unit in UNITS if cell in unit for p in unit} - {cell}) for cell in range(81)]
UNITS_OF = [[unit for unit in UNITS if cell in unit] for cell in range(81)]


def solutions(puzzle: Sequence[int], limit: int = 2) -> list[list[int]]:
    """Up to `limit` full grids that extend `puzzle` (81 digits row by row, 0 for blank)."""
    masks = [ALL] * 81
    for cell, digit in enumerate(puzzle):
        if digit and not _assign(masks, cell, 1 << (digit - 1)):
            return []
    found: list[list[int]] = []
    _search(masks, limit, found)
    return found


def _search(masks: list[int], limit: int, found: list[list[int]]) -> None:
    fewest, chosen = 10, -1
    for cell, mask in enumerate(masks):
        if mask & (mask - 1):
            count = mask.bit_count()
            if count < fewest:
                fewest, chosen = count, cell
                if count == 2:
                    break
    if chosen < 0:
        found.append([mask.bit_length() for mask in masks])
        return
    left = masks[chosen]
    while left and len(found) < limit:
        bit = left & -left
        left ^= bit
        branch = masks.copy()
        if _assign(branch, chosen, bit):
            _search(branch, limit, found)


def _assign(masks: list[int], cell: int, bit: int) -> bool:
    """Give a cell one digit and draw the consequences (naked and hidden singles); False on a contradiction."""
    if not masks[cell] & bit:
        return False
    todo = [(cell, masks[cell] ^ bit)]  # (cell, digits it loses)
    masks[cell] = bit
    while todo:
        cell, lost = todo.pop()
        mask = masks[cell]
        if not mask & (mask - 1):
            told = _told(masks, cell)
            if any(not masks[peer] for peer, _ in told):
                return False
            todo += told
        while lost:
            digit = lost & -lost
            lost ^= digit
            for unit in UNITS_OF[cell]:
                place = -1
                for other in unit:
                    if masks[other] & digit:
                        if place >= 0:
                            place = -2
                            break
                        place = other
                if place == -1:
                    return False
                if place >= 0 and masks[place] != digit:
                    todo.append((place, masks[place] ^ digit))
                    masks[place] = digit
    return True


def _told(masks: list[int], cell: int) -> list[tuple[int, int]]:
    """A decided cell takes its digit from its peers; those that lost it."""
    digit = masks[cell]
    changed = [(peer, digit) for peer in PEERS[cell] if masks[peer] & digit]
    for peer, _ in changed:
        masks[peer] ^= digit
    return changed

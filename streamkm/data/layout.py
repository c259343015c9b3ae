"""Row ranges: how rows become chunks, blocks and groups. Pure arithmetic.

One noun a size, each counted in rows: `tile` (in cache), `chunk` (unit of
compression and of writing), `block` (one read call), `group` (one task's
blocks). `batch` is a statistical choice and has no place here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Final, NamedTuple

CHUNK_BYTES: Final = 16 << 20
MIN_CHUNK_BYTES: Final = 2 << 20
MAX_CHUNK_ROWS: Final = 1 << 19  # of narrow rows, of which each costs more than its bytes
MIN_CHUNKS: Final = 32  # so that small stores still spread over workers
GROUP_BYTES: Final = 512 << 20
TASK_PRODUCTS: Final = 1 << 23  # a fraction of a millisecond: less work is not worth a task
DEALT: Final = 4  # pieces of a block that are dealt out to tasks of one process
MIN_GROUPS: Final = 32
MANY_GROUPS: Final = 128  # beyond it of twice the bytes: tasks cost, and most machines have enough
MAX_GROUPS: Final = 1024


class Block(NamedTuple):
    """A half-open row range: what one read call brings."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive blocks that one task works through with one accumulator.

    Parameters
    ----------
    index
        Position among the groups of a pass.
    start, stop
        Row range, half-open.
    block_rows
        Rows of each block but the last.
    """

    index: int
    start: int
    stop: int
    block_rows: int

    @property
    def n_rows(self) -> int:
        """Rows in the group."""
        return self.stop - self.start

    def blocks(self) -> Iterator[Block]:
        """Return the group's blocks in row order."""
        for start in range(self.start, self.stop, self.block_rows):
            yield Block(start, min(start + self.block_rows, self.stop))


@dataclass(frozen=True, slots=True)
class Ranges:
    """Scattered row ranges that one task works through with one accumulator.

    Parameters
    ----------
    index
        Position among the groups of a pass.
    ranges
        Blocks, in ascending order.
    """

    index: int
    ranges: tuple[Block, ...]

    @property
    def n_rows(self) -> int:
        """Rows in the group."""
        return sum(block.stop - block.start for block in self.ranges)

    def blocks(self) -> tuple[Block, ...]:
        """Return the ranges."""
        return self.ranges


@dataclass(frozen=True, slots=True)
class Hand:
    """What one task of a process works through: a block, then the next that no other has taken.

    None waits long for the last, and a task costs what it costs once.

    Parameters
    ----------
    index
        Position among the groups of a pass.
    n_rows
        An equal share of all rows: how many it will be is not known before.
    rows
        Of all blocks, one behind the other.
    block_rows
        Rows of each but the last.
    taken
        Numbers the blocks that are taken, for all tasks; one pass uses it up.
    """

    index: int
    n_rows: int
    rows: range
    block_rows: int
    taken: count[int]

    def blocks(self) -> Iterator[Block]:
        """Return blocks until none is left, the first of its own: no task is without."""
        number, (start, stop, size) = self.index, (self.rows.start, self.rows.stop, self.block_rows)
        while (begin := start + number * size) < stop:
            yield Block(begin, min(begin + size, stop))
            number = next(self.taken)  # safe from several threads


def deal(groups: Sequence[Group], n_hands: int, n_pieces: int = DEALT) -> list[Hand]:
    """Have tasks take pieces of the blocks of consecutive groups one by one, in row order."""
    rows = range(groups[0].start, groups[-1].stop)
    piece_rows = -(-groups[0].block_rows // n_pieces)
    total, n_hands = len(rows), min(n_hands, -(-len(rows) // piece_rows))
    shares = [total * (h + 1) // n_hands - total * h // n_hands for h in range(n_hands)]
    taken = count(n_hands)
    return [Hand(h, n_rows, rows, piece_rows, taken) for h, n_rows in enumerate(shares)]


def share_out(ranges: Sequence[Block], n_groups: int) -> list[Ranges]:
    """Share ranges out to about `n_groups` groups of equal rows; none is cut."""
    ordered = sorted(ranges, key=lambda block: block.start)
    total = sum(block.stop - block.start for block in ordered)
    shares: list[list[Block]] = [[] for _ in range(n_groups)]
    seen = 0
    for block in ordered:
        shares[seen * n_groups // total].append(block)
        seen += block.stop - block.start
    return [Ranges(index, tuple(s)) for index, s in enumerate(share for share in shares if share)]


def default_chunk_rows(n_rows: int, row_bytes: int, unit_rows: int = 1) -> int:
    """Return the rows of a chunk: about 16 MiB, less of small data and narrow rows; at least one.

    Parameters
    ----------
    unit_rows
        Rows that the source stores together: a chunk is a multiple of it where
        it can be, so that nothing is decoded twice.
    """
    total = n_rows * row_bytes
    wanted = min(CHUNK_BYTES, max(MIN_CHUNK_BYTES, total // MIN_CHUNKS))
    rows = min(max(wanted // row_bytes, 1), max(MAX_CHUNK_ROWS, unit_rows))
    if rows > unit_rows:
        rows -= rows % unit_rows
    return int(min(rows, n_rows))


def shared_block_rows(n_rows: int, row_products: int, n_workers: int) -> int:
    """Return the rows of a block where rows lie in memory and reading them is nothing.

    Two blocks a worker, so that none waits long for the last, or fewer where
    there is little to compute: what a task costs in Python and in the scheduler
    adds up over the passes of a fit.

    Parameters
    ----------
    row_products
        Products that a pass takes of a row.
    """
    n_blocks = min(max(n_rows * row_products // TASK_PRODUCTS, 1), 2 * n_workers)
    return -(-n_rows // n_blocks)


def wanted_groups(n_bytes: int) -> int:
    """Return into how many groups rows of so many bytes go, where they have blocks enough."""
    n_groups = -(-n_bytes // GROUP_BYTES)
    n_groups = min(n_groups, max(-(-n_bytes // (2 * GROUP_BYTES)), MANY_GROUPS))
    return min(max(n_groups, MIN_GROUPS), MAX_GROUPS)


def plan_groups(
    n_rows: int, row_bytes: int, block_rows: int, *,
    is_sequential: bool = False, parts: Sequence[int] = (),
) -> list[Group]:  # fmt: skip
    """Cut the rows into groups of whole blocks.

    Parameters
    ----------
    n_rows, row_bytes
        The data, decoded.
    block_rows
        Rows of one read call.
    is_sequential
        True for sources that only go forwards: one group, or one for each of
        their parts.
    parts
        First rows of stretches of a sequential source that can be read apart.

    Returns
    -------
    groups
        32 to 1024 of them where there are blocks enough (ENGINE: one task a
        group, since tasks cost more than blocks).
    """
    n_blocks = -(-n_rows // block_rows)
    wanted = wanted_groups(n_rows * row_bytes)
    if is_sequential:
        edges = _edges_of_parts(n_rows, block_rows, parts, wanted)
    else:
        n_groups = min(n_blocks, wanted)
        edges = [n_blocks * g // n_groups * block_rows for g in range(n_groups)] + [n_rows]
    return [Group(g, start, stop, block_rows) for g, (start, stop) in enumerate(pairwise(edges))]


def _edges_of_parts(n_rows: int, block_rows: int, parts: Sequence[int], wanted: int) -> list[int]:
    """Return where groups begin: at the first whole block of a part, in about equal shares."""
    starts = sorted({-(-start // block_rows) * block_rows for start in (0, *parts)})
    starts = [start for start in starts if start < n_rows]
    chosen = {starts[bisect_left(starts, n_rows * g // wanted)] for g in range(wanted)
              if n_rows * g // wanted <= starts[-1]}  # fmt: skip
    return [*sorted(chosen), n_rows]


def block_rows_for(n_rows: int, row_bytes: int, unit_rows: int, block_bytes: int) -> int:
    """Return the rows of one read call: whole units where they fit.

    Parameters
    ----------
    unit_rows
        Rows that are stored together; a block is a multiple of it, or where
        one unit is larger than `block_bytes`, a part of it.
    block_bytes
        The most that one block may take, decoded.
    """
    fitting = max(block_bytes // row_bytes, 1)
    spread = -(-n_rows // (2 * MIN_GROUPS))  # leave blocks enough to share out
    if unit_rows >= fitting:
        return int(min(fitting, n_rows))
    units = max(min(fitting, max(spread, 1024)) // unit_rows, 1)
    return int(min(units * unit_rows, n_rows))

"""How the rows of a pass are cut: blocks that fit the memory plan, groups of them, their sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from streamkm.data.layout import block_rows_for, plan_groups, shared_block_rows, wanted_groups
from streamkm.runtime.memory import MemoryPlan
from streamkm.sources.array import MemorySource
from streamkm.typing import RowSource

ROW_OVERHEAD_BYTES: Final = 32  # labels, distances and weights of a row
HELD_BYTES: Final = 16  # of a number in the centers: what a call holds beside tasks' own sums
WAITING_BYTES: Final = 16  # of one: sums of groups that wait to be merged, at each level of merges


def row_bytes_of(source: RowSource, out_width: int) -> int:
    """Return what a row takes in a task that writes `out_width` numbers for it."""
    return source.shape[1] * source.dtype.itemsize + ROW_OVERHEAD_BYTES + 16 * out_width


def cut(
    source: RowSource, plan: MemoryPlan, model_values: int, out_width: int
) -> tuple[int, Sequence[Any]]:
    """Return the rows of a block, and the groups of a pass.

    Parameters
    ----------
    source
        The rows.
    plan
        What a block may take.
    model_values, out_width
        Numbers in the centers, and numbers that each row becomes.
    """
    info, n_rows, row_bytes = source.info, source.shape[0], row_bytes_of(source, out_width)
    block_rows = block_rows_for(n_rows, row_bytes, info.natural_rows, plan.block_bytes)
    if isinstance(source, MemorySource) and source.array.flags.c_contiguous and not out_width:
        rows = shared_block_rows(n_rows, model_values, plan.n_workers)
        block_rows = min(rows, max(plan.block_bytes // ROW_OVERHEAD_BYTES, block_rows))
    if hasattr(source, "read_groups"):
        return block_rows, source.read_groups()
    groups = plan_groups(
        n_rows, row_bytes, block_rows, is_sequential=info.is_sequential, parts=info.parts
    )
    return block_rows, groups


def held_beside(rows: RowSource, n_values: int) -> int:
    """Return what passes hold beside their tasks, for so many numbers in all centers."""
    n_bytes = rows.shape[0] * rows.shape[1] * rows.dtype.itemsize
    n_levels = (wanted_groups(n_bytes) - 1).bit_length()
    return (HELD_BYTES + WAITING_BYTES * n_levels) * n_values

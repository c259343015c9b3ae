"""One task for the passes of several models: every block is read once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from streamkm.data.layout import Group
from streamkm.data.window import Window
from streamkm.tasks.base import PassResult, PassStats
from streamkm.typing import ColumnSource, RowSource


@dataclass(frozen=True, slots=True)
class JointGroup:
    """Blocks of several passes that lie together.

    Parameters
    ----------
    index
        Position among the groups.
    start, stop
        Row range in which the blocks begin.
    items
        (start, stop, which pass) of each block, in ascending order.
    """

    index: int
    start: int
    stop: int
    items: tuple[tuple[int, int, int], ...]

    @property
    def n_rows(self) -> int:
        """Rows that are gone through once."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class JointContext:
    """Context of `joint`.

    Parameters
    ----------
    source, weights
        What all passes read.
    unit_rows
        Rows that are read together.
    passes
        The task and the context of each.
    """

    source: RowSource
    weights: ColumnSource | None
    unit_rows: int
    passes: tuple[tuple[Any, Any], ...]

    @property
    def partial_bytes(self) -> int:
        """Bytes of one task's result."""
        return sum(getattr(context, "partial_bytes", 0) for _, context in self.passes)


@dataclass(frozen=True, slots=True)
class JointResult:
    """The result of each pass; None where a group had no block of it."""

    parts: tuple[PassResult | None, ...]

    @classmethod
    def merge_all(cls, results: Sequence[JointResult]) -> JointResult:
        """Merge pass by pass."""
        columns = zip(*(result.parts for result in results), strict=True)
        return cls(tuple(_merged([part for part in column if part]) for column in columns))

    @property
    def stats(self) -> PassStats:
        """What all passes cost together."""
        stats = PassStats.merge_all([part.stats for part in self.parts if part is not None])
        most = max((part.stats.n_rows for part in self.parts if part is not None), default=0)
        return replace(stats, n_rows=most)


def _merged(parts: list[PassResult]) -> PassResult | None:
    return PassResult.merge_all(parts) if len(parts) > 1 else parts[0] if parts else None


def joint(group: JointGroup, context: JointContext) -> JointResult:
    """Run the tasks of several passes, block by block."""
    window = Window(context.source, context.unit_rows)
    own: dict[str, Any] = {"source": window}
    if context.weights is not None:
        own["weights"] = Window(context.weights, context.unit_rows)
    contexts = [replace(passed, **own) for _, passed in context.passes]
    found: list[PassResult | None] = [None] * len(contexts)
    for start, stop, which in group.items:
        task = context.passes[which][0]
        part = task(Group(group.index, start, stop, stop - start), contexts[which])
        before = found[which]
        found[which] = part if before is None else PassResult.merge_all([before, part])
    return JointResult(tuple(found))

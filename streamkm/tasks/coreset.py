"""The pass of StreamKM: finished subtrees of coresets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.kernels.coreset_tree import CoresetPlan, CoresetTree
from streamkm.tasks.base import PassResult, read_group, refuse_bad_values
from streamkm.typing import F64, ColumnSource, Rows, RowSource


@dataclass(frozen=True, slots=True)
class CoresetContext:
    """Context of `coreset`.

    Parameters
    ----------
    source, weights
        Rows and their weights.
    plan
        How they are reduced; the blocks of every group are its leaves.
    partial_bytes
        Bytes of one task's result, at most.
    """

    source: RowSource
    weights: ColumnSource | None
    plan: CoresetPlan
    partial_bytes: int


def coreset(group: Any, context: CoresetContext) -> PassResult:
    """Coresets of a group's leaves, joined as far as they are siblings."""
    plan = context.plan
    tree = CoresetTree(plan)

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        nonlocal tree
        refuse_bad_values(rows, start)
        mass = np.ones(len(rows)) if weights is None else weights
        tree = tree.with_leaf(start // plan.leaf_rows, rows, mass)

    stats = read_group(group, context, consume)
    return PassResult((tree,), stats)

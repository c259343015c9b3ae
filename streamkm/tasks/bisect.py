"""The passes of a bisecting fit: many nodes of one tree are split by each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamkm.kernels.accumulate import SumsAccumulator
from streamkm.kernels.binned_sum import BinnedSum, add_column
from streamkm.kernels.cluster_tree import ClusterTree
from streamkm.kernels.hashing import uniform_rows
from streamkm.kernels.lloyd import Grids, Inertia, PartialSums
from streamkm.kernels.select import SelectedRows
from streamkm.tasks.base import PassResult, read_group
from streamkm.typing import F64, I32, ColumnSource, Rows, RowSource


@dataclass(frozen=True, slots=True)
class SplitContext:
    """Context of every pass of a bisecting fit.

    Parameters
    ----------
    source, weights
        Rows and their weights.
    trees
        The tree so far, ended by the two sides of every split that runs:
        labels 2 i and 2 i + 1 are the sides of split i, all other rows have
        label -1. One tree for each restart.
    grids
        Grids of the sums.
    capacity
        Rows that `pick` takes of every split node.
    key
        Key of the hash that `pick` draws by; None to take the farthest rows.
    """

    source: RowSource
    weights: ColumnSource | None
    trees: tuple[ClusterTree, ...]
    grids: Grids
    capacity: int = 0
    key: np.uint64 | None = None

    @property
    def partial_bytes(self) -> int:
        """Bytes of one task's result."""
        n_features = self.source.shape[1]
        n_rows = sum(tree.n_clusters for tree in self.trees)
        return 16 * n_rows * n_features * max(1, self.capacity // 2)


def split(group: object, context: SplitContext) -> PassResult:
    """Partial sums of both sides of every split, for every restart."""
    models = [SumsAccumulator(t.n_clusters, context.grids, t.frame) for t in context.trees]

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        for tree, model in zip(context.trees, models, strict=True):
            model.add_labeled(rows, weights, tree.label(rows))

    stats = read_group(group, context, consume)
    parts: tuple[PartialSums, ...] = tuple(model.result() for model in models)
    return PassResult(parts, stats)


def close_splits(group: object, context: SplitContext) -> PassResult:
    """Inertia and count of each side of every split: restart by restart, label by label."""
    totals = [[BinnedSum.zeros(1) for _ in range(tree.n_clusters)] for tree in context.trees]
    counts = [np.zeros(tree.n_clusters, np.int64) for tree in context.trees]

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        for i, tree in enumerate(context.trees):
            labels, values = tree.assign(rows)
            counts[i] += np.bincount(labels[labels >= 0], minlength=len(counts[i]))
            if weights is not None:
                values *= weights
            _add_by_label(totals[i], labels, values)

    stats = read_group(group, context, consume)
    parts = [
        Inertia(total[label], count[label : label + 1])
        for total, count in zip(totals, counts, strict=True)
        for label in range(len(total))
    ]
    return PassResult(tuple(parts), stats)


def _add_by_label(totals: list[BinnedSum], labels: I32, values: F64) -> None:
    order = np.argsort(labels, kind="stable")
    edges = np.searchsorted(labels[order], np.arange(len(totals) + 1))
    for label in np.flatnonzero(np.diff(edges)):
        add_column(totals[label], values[order[edges[label] : edges[label + 1]]])


def pick(group: object, context: SplitContext) -> PassResult:
    """Rows of every split node, of positive weight: drawn by hash, or the farthest."""
    (tree,) = context.trees
    found: list[list[SelectedRows]] = [[] for _ in range(tree.n_clusters // 2)]

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        labels, sq_dist = tree.assign(rows)
        keys = -sq_dist
        if context.key is not None:
            keys = uniform_rows(context.key, start, start + len(rows))
        keys[keys == 0.0] = np.inf  # a row on the first center is no place for the second
        if weights is not None:
            keys[weights <= 0.0] = np.inf
        for i, before in enumerate(found):
            mine = np.where(labels // 2 == i, keys, np.inf)
            picked = SelectedRows.pick(context.capacity, mine, start, rows)
            found[i] = [SelectedRows.merge_all([*before, picked])]

    stats = read_group(group, context, consume)
    return PassResult(tuple(part for parts in found for part in parts), stats)

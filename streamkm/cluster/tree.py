"""The tree of a bisecting fit: the splits that are known, and those that are wanted."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, NamedTuple

import numpy as np

from streamkm.cluster.state import FitState
from streamkm.kernels.cluster_tree import ClusterTree
from streamkm.kernels.frame import Frame
from streamkm.kernels.summary import Summary
from streamkm.typing import F64, I64

LEAF: Final = -1  # not split, as far as is known
WHOLE: Final = -2  # cannot be split: its rows are all the same

STRATEGIES: Final = ("biggest_inertia", "largest_cluster")


class Node(NamedTuple):
    """A node by its number and by its path from the root: "0" to the first child, "1" else."""

    number: int
    path: str

    @property
    def key(self) -> int:
        """The path as a number: the same whenever, and beside whatever, the node is split."""
        return int("1" + self.path, 2)


@dataclass(frozen=True, slots=True)
class Split:
    """A finished split of a node.

    Parameters
    ----------
    node
        Its number.
    centers
        Of its two sides, shape (2, n_features).
    counts, inertia
        Rows and inertia of each side, shape (2,).
    n_iter
        Lloyd iterations that it took.
    """

    node: int
    centers: F64
    counts: I64
    inertia: F64
    n_iter: int


@dataclass(frozen=True, slots=True)
class KnownTree:
    """Every split that is known, whether or not the clusters turn out to need it.

    Parameters
    ----------
    first
        First child of each node, shape (n_nodes,), or LEAF, or WHOLE; the
        second child is the next node. Node 0 is the root.
    centers
        Shape (n_nodes, n_features).
    counts, inertia
        Rows and inertia of each node, shape (n_nodes,).
    n_iter
        Lloyd iterations of each node's split, shape (n_nodes,).
    """

    first: I64
    centers: F64
    counts: I64
    inertia: F64
    n_iter: I64

    @classmethod
    def of(cls, summary: Summary) -> KnownTree:
        """Return the tree of one node that holds all rows."""
        return cls(
            first=np.array([LEAF]),
            centers=summary.mean[None],
            counts=np.array([summary.count]),
            inertia=np.array([summary.m2.sum()]),
            n_iter=np.array([0]),
        )

    def state(self) -> FitState:
        """Return all of it as a state that a checkpoint stores."""
        extra = {"first": self.first, "node_inertia": self.inertia, "node_n_iter": self.n_iter}
        return FitState(self.centers, self.counts, extra=extra)

    @classmethod
    def from_state(cls, state: FitState) -> KnownTree:
        """Read what `state` wrote."""
        extra = state.extra
        return cls(
            extra["first"], state.centers, state.counts, extra["node_inertia"], extra["node_n_iter"]
        )

    def grown(self, splits: Sequence[Split]) -> KnownTree:
        """Return the tree with the children of these splits.

        A split that left one side without rows is none: its node is WHOLE.
        """
        good = [split for split in splits if split.counts.all()]
        first, n_iter = self.first.copy(), self.n_iter.copy()
        first[[split.node for split in splits]] = WHOLE
        for i, split in enumerate(good):
            first[split.node] = len(self.first) + 2 * i
            n_iter[split.node] = split.n_iter
        return KnownTree(
            first=np.append(first, np.full(2 * len(good), LEAF)),
            centers=np.concatenate([self.centers, *(split.centers for split in good)]),
            counts=np.concatenate([self.counts, *(split.counts for split in good)]),
            inertia=np.concatenate([self.inertia, *(split.inertia for split in good)]),
            n_iter=np.append(n_iter, np.zeros(2 * len(good), np.int64)),
        )

    def without(self, nodes: Sequence[int]) -> KnownTree:
        """Return the tree in which these nodes are WHOLE."""
        first = self.first.copy()
        first[list(nodes)] = WHOLE
        return replace(self, first=first)

    def in_order(self, strategy: str, n_splits: int) -> list[Node]:
        """Return the nodes to split: the largest score first, ties to the leftmost.

        Children come into question once their parent is chosen. A node whose
        split is not known yet is taken to have no children: all but the first
        such node are guesses, right as long as no child still to be found
        scores higher.
        """
        return list(islice(self._best_first(strategy), n_splits))

    def _best_first(self, strategy: str) -> Iterator[Node]:
        scores = self.inertia if strategy == "biggest_inertia" else self.counts
        heap = [(0.0, "", 0)] if self._can_be_split(0) else []
        while heap:
            _, path, node = heapq.heappop(heap)
            yield Node(node, path)
            first = int(self.first[node])
            for side in (0, 1) if first >= 0 else ():
                child = first + side
                if self._can_be_split(child):
                    heapq.heappush(heap, (-float(scores[child]), f"{path}{side}", child))

    def _can_be_split(self, node: int) -> bool:
        return bool(self.first[node] != WHOLE and self.inertia[node] > 0.0)

    def leaf_finder(self, frame: Frame) -> ClusterTree:
        """Return what labels rows with the numbers of the leaves that they fall in."""
        first = np.maximum(self.first, LEAF)
        return ClusterTree(first, self.centers, np.arange(len(first), dtype=np.int32), frame)

    def ended_by(self, nodes: Sequence[int], centers: Sequence[F64], frame: Frame) -> ClusterTree:
        """Return what labels the rows of `nodes`: 2 i and 2 i + 1 for the sides of the i-th.

        Parameters
        ----------
        nodes
            Leaves.
        centers
            Two centers for each, shape (2, n_features).
        frame
            Where distances are measured from.
        """
        n_known, n_sides = len(self.first), 2 * len(nodes)
        first = np.full(n_known + n_sides, LEAF)
        # Only the way to the nodes is open: rows elsewhere end early, with label -1.
        first[list(nodes)] = n_known + np.arange(0, n_sides, 2)
        for parent in range(n_known - 1, -1, -1):
            child = self.first[parent]
            if child >= 0 and (first[child : child + 2] >= 0).any():
                first[parent] = child
        labels = np.append(np.full(n_known, -1), np.arange(n_sides)).astype(np.int32)
        return ClusterTree(first, np.concatenate([self.centers, *centers]), labels, frame)

    def trimmed(self, splits: Sequence[Node]) -> KnownTree:
        """Return the tree of these splits alone: split s has children 2 s + 1 and 2 s + 2."""
        kept = [0]
        for node in splits:
            child = int(self.first[node.number])
            kept += [child, child + 1]
        first = np.full(len(kept), LEAF)
        place = {number: i for i, number in enumerate(kept)}
        first[[place[node.number] for node in splits]] = 1 + 2 * np.arange(len(splits))
        n_iter = np.where(first >= 0, self.n_iter[kept], 0)
        return KnownTree(first, self.centers[kept], self.counts[kept], self.inertia[kept], n_iter)

    def leaves(self) -> list[int]:
        """Return the leaves from left to right."""
        found, waiting = [], [0]
        while waiting:
            node = waiting.pop()
            child = int(self.first[node])
            if child < 0:
                found.append(node)
            else:
                waiting += [child + 1, child]
        return found

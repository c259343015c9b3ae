"""Merge and reduce: coresets of fixed row ranges, joined along a fixed binary tree.

Reducing depends on what is reduced with what. Leaves are therefore fixed ranges
of rows and their tree follows the order of the rows, whoever works on which
part: the same bits come out however the parts are merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from streamkm.kernels.coreset import reduce_rows
from streamkm.kernels.tile import seen_rows
from streamkm.kernels.view import AS_THEY_ARE, View
from streamkm.keyed import CORESET, generator
from streamkm.typing import F64, Json, Rows

LEAF: Final = 4  # rows of a leaf, in units of the coreset's size
TOP: Final = 63  # level of the last, uneven merges: no tree is so high

Node = tuple[Rows, F64]


@dataclass(frozen=True, slots=True)
class CoresetPlan:
    """How rows become a coreset.

    Parameters
    ----------
    size
        Rows of the coreset.
    method
        A name of `REDUCERS`.
    n_clusters
        For how many centers it should be good.
    seed
        All randomness is keyed by it and a node's place in the tree.
    view
        How rows are seen; those that are kept are as in the data.
    """

    size: int
    method: str
    n_clusters: int
    seed: int
    view: View = AS_THEY_ARE

    def to_json(self) -> Json:
        """Return plain numbers and words for the attributes of a store."""
        names = ("size", "method", "n_clusters", "seed")
        return {name: getattr(self, name) for name in names} | self.view.to_json()

    @classmethod
    def from_json(cls, values: Json, n_features: int) -> CoresetPlan:
        """Read what `to_json` wrote, of rows that have `n_features`."""
        names = ("size", "method", "n_clusters", "seed")
        view = View.from_json(values, n_features)
        return cls(**{name: values[name] for name in names}, view=view)

    @property
    def leaf_rows(self) -> int:
        """Rows of a leaf."""
        return LEAF * self.size

    def reduce(self, rows: Rows, weights: F64, level: int, index: int) -> Node:
        """Return the coreset at a place of the tree."""
        draws = generator(self.seed, CORESET, level, index)
        seen, view = rows, self.view
        if view.is_unit and len(rows) > self.size:  # lengths are costly, and each row is met often
            seen, view = seen_rows(rows, view), AS_THEY_ARE
        chosen, masses = reduce_rows(
            seen, weights, self.size, self.method, self.n_clusters, draws, view
        )
        return rows[chosen], masses


@dataclass(frozen=True, slots=True)
class CoresetTree:
    """The finished subtrees of some leaves.

    Parameters
    ----------
    plan
        How they are made.
    nodes
        Rows and weights by (level, index): node (l, i) stands for the leaves
        from i * 2**l to (i + 1) * 2**l.
    n_zero
        Rows of zeros, counted where rows are at unit length.

    Notes
    -----
    At most two nodes a level for a run of leaves: memory grows with the
    logarithm of the rows.
    """

    plan: CoresetPlan
    nodes: Mapping[tuple[int, int], Node] = field(default_factory=dict)
    n_zero: int = 0

    def with_leaf(self, index: int, rows: Rows, weights: F64) -> CoresetTree:
        """Return the tree with one more leaf."""
        leaf = {(0, index): self.plan.reduce(rows, weights, 0, index)}
        return CoresetTree.merge_all([self, CoresetTree(self.plan, leaf, self._count_zero(rows))])

    def _count_zero(self, rows: Rows) -> int:
        view = self.plan.view
        if not view.is_unit:
            return 0
        origin = 0.0 if view.offset is None else view.offset
        return int(np.count_nonzero((view.picked(rows) == origin).all(axis=1)))

    @classmethod
    def merge_all(cls, parts: Sequence[CoresetTree]) -> CoresetTree:
        """Put the subtrees together, and join every pair of siblings."""
        plan = parts[0].plan
        nodes = {place: node for part in parts for place, node in part.nodes.items()}
        level = 0
        while level <= max((place[0] for place in nodes), default=-1):
            for _, index in sorted(place for place in nodes if place[0] == level):
                if index % 2 == 0 and (level, index + 1) in nodes:
                    pair = nodes.pop((level, index)), nodes.pop((level, index + 1))
                    nodes[level + 1, index // 2] = plan.reduce(*joined(pair), level + 1, index // 2)
            level += 1
        return cls(plan, nodes, sum(part.n_zero for part in parts))

    def result(self) -> Node:
        """Return the coreset of all leaves: what is left joins from the last to the first."""
        ordered = sorted(self.nodes, key=lambda place: place[1] << place[0])
        node = self.nodes[ordered[-1]]
        for step, place in enumerate(reversed(ordered[:-1])):
            node = self.plan.reduce(*joined((self.nodes[place], node)), TOP, step)
        rows, weights = node
        has_weight = weights > 0.0  # old weight may have faded to nothing
        return (rows, weights) if has_weight.all() else (rows[has_weight], weights[has_weight])

    def to_arrays(self) -> dict[str, Any]:
        """Return the nodes as arrays by name, for a checkpoint."""
        arrays: dict[str, Any] = {"n_zero": np.array([self.n_zero])}
        for (level, index), (rows, weights) in self.nodes.items():
            arrays |= {f"rows_{level}_{index}": rows, f"weights_{level}_{index}": weights}
        return arrays

    @classmethod
    def from_arrays(cls, plan: CoresetPlan, arrays: Mapping[str, Any]) -> CoresetTree:
        """Read what `to_arrays` wrote."""
        places = [name.split("_")[1:] for name in arrays if name.startswith("rows_")]
        return cls(
            plan,
            {
                (int(a), int(b)): (arrays[f"rows_{a}_{b}"], arrays[f"weights_{a}_{b}"])
                for a, b in places
            },
            int(arrays["n_zero"][0]) if "n_zero" in arrays else 0,
        )


def joined(nodes: Sequence[Node]) -> Node:
    """Return the rows and weights of several coresets, one after the other."""
    rows, weights = zip(*nodes, strict=True)
    return np.concatenate(rows), np.concatenate(weights)

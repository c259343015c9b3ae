"""An endless stream as a coreset: leaves fill up, subtrees join, old weight fades."""

from __future__ import annotations

import numpy as np

from streamkm.kernels.coreset_tree import CoresetPlan, CoresetTree, Node, joined
from streamkm.typing import F64, Rows

MOST_DOUBLINGS = 256.0  # of a row's weight, before all weights are scaled down


class CoresetStream:
    """Takes in rows as they come, in any portions, and gives their coreset at any time.

    Without a half-life the result has the bits of a pass over the same rows.
    With one, a new row weighs 2 ** (age of the stream / half-life), so that
    what is there need not be touched to fade (forward decay: Cormode,
    Shkapenyuk, Srivastava & Xu, ICDE 2009, section 3); scaling by powers of
    two keeps that in range and changes no bit.

    Parameters
    ----------
    plan
        How rows become a coreset.
    half_life
        Age at which a row weighs half; None for never.
    by_batch
        Whether age is counted in calls of `add`, instead of rows.
    """

    def __init__(self, plan: CoresetPlan, half_life: float | None, *, by_batch: bool) -> None:
        self.plan = plan
        self.n_rows = 0
        self._half_life = half_life
        self._by_batch = by_batch
        self._age = 0  # in rows or batches
        self._doublings = 0.0  # taken off all weights so far
        self._tree = CoresetTree(plan)
        self._n_leaves = 0
        self._waiting: list[Node] = []
        self._n_waiting = 0

    def begin(self, rows: Rows, weights: F64, n_rows: int) -> None:
        """Begin with a coreset that stands for `n_rows` rows, all of them seen just now."""
        self._take(rows, weights)
        self.n_rows = n_rows

    def add(self, rows: Rows, weights: F64, *, is_new_batch: bool) -> None:
        """Take in the next rows of a batch; they are copied."""
        self._age += int(is_new_batch) if self._by_batch else 0
        if self._half_life is not None:
            weights = weights * self._growth(len(rows))
        self._age += 0 if self._by_batch else len(rows)
        self.n_rows += len(rows)
        self._take(rows, weights)

    def _take(self, rows: Rows, weights: F64) -> None:
        while len(rows):
            room = self.plan.leaf_rows - self._n_waiting
            self._waiting.append((rows[:room].copy(), weights[:room].copy()))
            self._n_waiting += len(self._waiting[-1][0])
            rows, weights = rows[room:], weights[room:]
            if self._n_waiting == self.plan.leaf_rows:
                self._tree = self._tree.with_leaf(self._n_leaves, *joined(self._waiting))
                self._n_leaves += 1
                self._waiting, self._n_waiting = [], 0

    def result(self) -> Node:
        """Return rows and weights of the coreset, as of now."""
        tree = self._tree
        if self._waiting:
            tree = tree.with_leaf(self._n_leaves, *joined(self._waiting))
        rows, weights = tree.result()
        if self._half_life is not None:
            weights = weights * 2.0 ** (self._doublings - self._age / self._half_life)
        return rows, weights

    def _growth(self, n_rows: int) -> F64:
        """Return the weights of the next rows: more for each than for the one before."""
        assert self._half_life is not None
        age = self._age + (np.zeros(n_rows) if self._by_batch else np.arange(1.0, n_rows + 1))
        doublings = age / self._half_life - self._doublings
        if n_rows and doublings[0] > MOST_DOUBLINGS:
            taken = float(np.floor(doublings[0]))
            self._doublings += taken
            doublings -= taken
            scale = 2.0**-taken if taken < 1000 else 0.0
            nodes = {p: (rows, mass * scale) for p, (rows, mass) in self._tree.nodes.items()}
            self._tree = CoresetTree(self.plan, nodes)
            self._waiting = [(rows, mass * scale) for rows, mass in self._waiting]
        return np.exp2(doublings)

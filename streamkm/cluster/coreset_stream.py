"""An endless stream as a coreset: leaves fill up, subtrees join, old weight fades."""

from __future__ import annotations

import numpy as np

from streamkm.kernels.coreset_tree import CoresetPlan, CoresetTree, Node, joined
from streamkm.typing import F64, Rows

EPOCH = 256  # doublings of a new row's weight, after which all weights are scaled down


class CoresetStream:
    """Takes in rows as they come, in any portions, and gives their coreset at any time.

    Without a half-life the result has the bits of a pass over the same rows.
    With one, a new row weighs 2 ** (age of the stream / half-life), so that
    what is there need not be touched to fade (forward decay: Cormode,
    Shkapenyuk, Srivastava & Xu, ICDE 2009, section 3). Every 256 half-lives
    all weights are scaled down by a power of two, which changes no bit; what is
    more than a thousand half-lives old weighs nothing then, and is dropped.

    A shallow copy is a stream of its own: nothing that they share is changed.

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
        self._epoch = 0.0  # how often all weights were scaled down
        self._tree = CoresetTree(plan)
        self._n_leaves = 0
        self._waiting: tuple[Node, ...] = ()
        self._n_waiting = 0

    def begin(self, rows: Rows, weights: F64, n_rows: int) -> None:
        """Begin with a coreset that stands for `n_rows` rows, all of them seen just now."""
        self._take(rows, weights)
        self.n_rows = n_rows

    def add(self, rows: Rows, weights: F64, *, is_new_batch: bool) -> None:
        """Take in the next rows of a batch; they are copied."""
        self.n_rows += len(rows)
        if self._half_life is None:
            self._take(rows, weights)
            return
        self._age += int(is_new_batch) if self._by_batch else len(rows)
        since = np.zeros(len(rows)) if self._by_batch else np.arange(1.0 - len(rows), 1.0)
        doublings = (self._age + since) / self._half_life
        epochs = np.floor(doublings / EPOCH)
        for epoch in np.unique(epochs):
            self._scale_down(float(epoch))
            now = epochs == epoch
            self._take(rows[now], weights[now] * np.exp2(doublings[now] - EPOCH * epoch))

    def _scale_down(self, epoch: float) -> None:
        """Have weights count from the beginning of an epoch."""
        if epoch == self._epoch:
            return
        scale = 2.0 ** (EPOCH * (self._epoch - epoch))
        self._epoch = epoch
        nodes = {place: (rows, mass * scale) for place, (rows, mass) in self._tree.nodes.items()}
        self._tree = CoresetTree(self.plan, nodes)
        self._waiting = tuple((rows, mass * scale) for rows, mass in self._waiting)

    def _take(self, rows: Rows, weights: F64) -> None:
        while len(rows):
            room = self.plan.leaf_rows - self._n_waiting
            self._waiting += ((rows[:room].copy(), weights[:room].copy()),)
            self._n_waiting += len(self._waiting[-1][0])
            rows, weights = rows[room:], weights[room:]
            if self._n_waiting == self.plan.leaf_rows:
                self._tree = self._tree.with_leaf(self._n_leaves, *joined(self._waiting))
                self._n_leaves += 1
                self._waiting, self._n_waiting = (), 0

    def result(self) -> Node:
        """Return rows and weights of the coreset, as of now."""
        tree = self._tree
        if self._waiting:
            tree = tree.with_leaf(self._n_leaves, *joined(self._waiting))
        rows, weights = tree.result()
        if self._half_life is not None:
            weights = weights * 2.0 ** (EPOCH * self._epoch - self._age / self._half_life)
        return rows, weights

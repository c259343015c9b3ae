"""The tree of StreamKM++, compiled: leaves of weighted rows, split by squared distance."""

from __future__ import annotations

import numpy as np

from streamkm.kernels.assign import distance_between
from streamkm.kernels.compiled import compiled
from streamkm.kernels.tile import load_tile
from streamkm.typing import F32, F64, I64, Rows


@compiled
def grow_leaves(
    rows: Rows, table: F32 | None, weights: F64, uniforms: F64, order: I64, starts: I64
) -> int:  # pragma: no cover - compiled
    """Grow the tree; `order` then holds the rows leaf by leaf.

    Parameters
    ----------
    rows, table
        As `readable` returns them.
    weights
        Positive, shape (n_rows,).
    uniforms
        In [0, 1), shape (size, 2): one draws a leaf, the other a row of it.
    order
        The row numbers; put in order here.
    starts
        Where each leaf begins in `order`; set here.

    Returns
    -------
    n_leaves
        At most `size`; fewer where there are fewer different rows.
    """
    n_rows, n_features = rows.shape
    size = len(uniforms)
    half = 1
    while half < size:
        half *= 2
    costs = np.zeros(2 * half)  # a heap of sums over the costs of the leaves
    stops = np.empty(size, np.int64)
    closest = np.full(n_rows, np.inf)
    point, tile = np.empty((1, n_features)), np.empty((1, n_features))
    starts[0], stops[0] = 0, n_rows
    first = _pick(order, weights, np.ones(n_rows), 0, n_rows, uniforms[0, 1] * weights.sum())
    load_tile(rows, order[first], 1, table, point)
    for i in range(n_rows):
        load_tile(rows, i, 1, table, tile)
        closest[i] = distance_between(tile[0], point[0])
        costs[half] += weights[i] * closest[i]
    _resum(costs, half)
    for new in range(1, size):
        if not costs[1] > 0.0:
            return new
        leaf = _descend(costs, half, uniforms[new, 0])
        aim = uniforms[new, 1] * costs[half + leaf]
        chosen = _pick(order, weights, closest, starts[leaf], stops[leaf], aim)
        load_tile(rows, order[chosen], 1, table, point)
        begin, end = starts[leaf], stops[leaf]
        middle, cost_low, cost_high = _part(
            rows, table, weights, point, order[begin:end], closest, tile
        )
        starts[new], stops[new], stops[leaf] = begin + middle, end, begin + middle
        costs[half + leaf], costs[half + new] = cost_low, cost_high
        _resum(costs, half + leaf)
        _resum(costs, half + new)
    return size


@compiled
def _part(
    rows: Rows, table: F32 | None, weights: F64, point: F64, order: I64, closest: F64, tile: F64
) -> tuple[int, float, float]:  # pragma: no cover - compiled
    """Put a leaf's rows that are nearer to a new point behind the others.

    Returns how many stay, and what those that stay and those that go cost.
    """
    low, high, cost_low, cost_high = 0, len(order), 0.0, 0.0
    while low < high:
        row = order[low]
        load_tile(rows, row, 1, table, tile)
        distance = distance_between(tile[0], point[0])
        if distance < closest[row]:
            closest[row] = distance
            cost_high += weights[row] * distance
            high -= 1
            order[low], order[high] = order[high], row
        else:
            cost_low += weights[row] * closest[row]
            low += 1
    return low, cost_low, cost_high


@compiled
def _pick(
    order: I64, weights: F64, closest: F64, begin: int, end: int, aim: float
) -> int:  # pragma: no cover - compiled
    """Return the place where the running cost passes `aim`; never a row of no cost."""
    found, total = begin, 0.0
    for i in range(begin, end):
        cost = weights[order[i]] * closest[order[i]]
        if cost > 0.0:
            found = i
            total += cost
            if total > aim:
                return found
    return found


@compiled
def _descend(costs: F64, half: int, uniform: float) -> int:  # pragma: no cover - compiled
    """Return the leaf that a uniform number falls on, by cost."""
    node, aim = 1, uniform * costs[1]
    while node < half:
        node *= 2
        if (aim >= costs[node] and costs[node + 1] > 0.0) or not costs[node] > 0.0:
            aim -= costs[node]
            node += 1
    return node - half


@compiled
def _resum(costs: F64, node: int) -> None:  # pragma: no cover - compiled
    """Add up again the sums above a leaf."""
    node //= 2
    while node >= 1:
        costs[node] = costs[2 * node] + costs[2 * node + 1]
        node //= 2

"""The tree of StreamKM++, compiled: leaves of weighted rows, split by squared distance."""

from __future__ import annotations

import numpy as np

from streamkm.kernels.assign import distance_between
from streamkm.kernels.compiled import ONE, compiled, compiled_making
from streamkm.kernels.tile import load_tile, see_tile
from streamkm.kernels.view import ViewArrays
from streamkm.typing import F32, F64, I64, Rows


@compiled_making
def grow_leaves(
    rows: Rows,
    table: F32 | None,
    view: ViewArrays,
    weights: F64,
    uniforms: F64,
    order: I64,
    starts: I64,
) -> int:  # pragma: no cover - compiled
    """Grow the tree; `order` then holds the rows leaf by leaf.

    Parameters
    ----------
    rows, table
        As `readable` returns them.
    view
        How they are seen.
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
    n_rows = len(rows)
    n_features = len(view[0]) if len(view[0]) > 0 else rows.shape[1]
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
    see_tile(rows, order[first], ONE, table, view, point)
    is_plain = view[4]
    for i in range(n_rows):
        if is_plain:
            load_tile(rows, i, 1, table, tile)
        else:
            see_tile(rows, i, ONE, table, view, tile)
        closest[i] = distance_between(tile[0], point[0])
        costs[half] += weights[i] * closest[i]
    _resum(costs, half)
    for new in range(1, size):
        if not costs[1] > 0.0:
            return new
        leaf = _descend(costs, half, uniforms[new, 0])
        aim = uniforms[new, 1] * costs[half + leaf]
        chosen = _pick(order, weights, closest, starts[leaf], stops[leaf], aim)
        see_tile(rows, order[chosen], ONE, table, view, point)
        begin, end = starts[leaf], stops[leaf]
        middle, cost_low, cost_high = _part(
            rows, table, view, weights, (point, tile), order[begin:end], closest
        )
        starts[new], stops[new], stops[leaf] = begin + middle, end, begin + middle
        costs[half + leaf], costs[half + new] = cost_low, cost_high
        _resum(costs, half + leaf)
        _resum(costs, half + new)
    return size


@compiled
def _part(
    rows: Rows,
    table: F32 | None,
    view: ViewArrays,
    weights: F64,
    tiles: tuple[F64, F64],
    order: I64,
    closest: F64,
) -> tuple[int, float, float]:  # pragma: no cover - compiled
    """Put a leaf's rows that are nearer to a new point behind the others.

    Returns how many stay, and what those that stay and those that go cost.
    `tiles` are the point, and room for a row.
    """
    point, tile = tiles
    is_plain = view[4]
    low, high, cost_low, cost_high = 0, len(order), 0.0, 0.0
    while low < high:
        row = order[low]
        if is_plain:
            load_tile(rows, row, 1, table, tile)
        else:
            see_tile(rows, row, ONE, table, view, tile)
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

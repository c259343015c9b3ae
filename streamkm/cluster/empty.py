"""Empty clusters: one rule each, all in one place. `EMPTY_CLUSTER` is the complete list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from streamkm.cluster.passes import Passes
from streamkm.cluster.rows import take
from streamkm.cluster.state import FitState
from streamkm.errors import EmptyClusterError
from streamkm.kernels.assign import assign
from streamkm.kernels.centers import prepare
from streamkm.kernels.exact_sum import ExactSum
from streamkm.kernels.lloyd import PartialSums
from streamkm.kernels.open_sum import sum_rows
from streamkm.kernels.select import SelectedRows
from streamkm.keyed import RELOCATION, generator
from streamkm.tasks.fit import farthest
from streamkm.typing import F64

Rule = Callable[[Passes, FitState, PartialSums, int], F64]


def fill_from_farthest(passes: Passes, state: FitState, part: PartialSums, seed: int) -> F64:
    """Move empty clusters to the rows farthest from their centers.

    Such a row leaves its cluster: its contribution is taken back, exactly. A
    row that is alone in its cluster stays. With fewer distinct rows than
    clusters, the empty ones keep their centers.
    """
    (rows,) = passes.run_models(
        farthest,
        [state.centers],
        stage="relocate",
        title="filling empty clusters",
        capacity=len(state.centers),
    )
    passes.note()
    return _relocate(passes, state, part, rows)


def _relocate(passes: Passes, state: FitState, part: PartialSums, found: SelectedRows) -> F64:
    data = passes.data
    labels, _ = assign(found.rows, prepare(state.centers, data.frame))
    order = np.argsort(found.indices)
    weights = np.ones(len(found.rows))
    if data.weights is not None:
        weights[order] = take(data.weights, found.indices[order])
    empty = np.flatnonzero(part.mass() <= 0.0).tolist()
    for row, label, weight in zip(data.seen(found.rows), labels, weights, strict=True):
        if not empty:
            break
        if part.counts[label] > 1:
            part = _move_row(part, row.astype(np.float64) * weight, weight, label, empty.pop(0))
    return data.moved(part, state.centers)


def _move_row(part: PartialSums, row: F64, weight: float, old: int, new: int) -> PartialSums:
    counts = part.counts.copy()
    counts[old] -= 1
    counts[new] += 1
    weights = part.weights
    if weights is not None:
        weights = _move(weights, np.array([[weight]]), old, new)
    return replace(part, counts=counts, weights=weights, sums=_move(part.sums, row[None], old, new))


def _move(total: ExactSum, value: F64, old: int, new: int) -> ExactSum:
    """Take a value back from one row of a sum and add it to another."""
    moved = ExactSum.zeros(total.limbs.shape[1:], total.exponents)
    moved.limbs[:, new] = sum_rows(value, total.exponents).limbs
    taken = ExactSum.zeros(total.limbs.shape[1:], total.exponents)
    taken.limbs[:, old] = moved.limbs[:, new]
    return ExactSum.merge_all([total - taken, moved])


def fill_at_random(passes: Passes, state: FitState, part: PartialSums, seed: int) -> F64:
    """Move empty clusters to rows drawn at random."""
    centers = passes.data.moved(part, state.centers)
    draws = generator(seed, RELOCATION, state.restart, state.n_iter)
    for cluster in np.flatnonzero(part.mass() <= 0.0):
        row = int(draws.integers(passes.source.shape[0]))
        centers[cluster] = passes.data.seen(passes.source.read(row, row + 1))[0]
    return centers


def drop(passes: Passes, state: FitState, part: PartialSums, seed: int) -> F64:
    """Leave empty clusters out: fewer remain."""
    return passes.data.moved(part, state.centers)[part.mass() > 0.0]


def refuse(passes: Passes, state: FitState, part: PartialSums, seed: int) -> F64:
    """Raise EmptyClusterError."""
    empty = np.flatnonzero(part.mass() <= 0.0).tolist()
    raise EmptyClusterError(
        f"clusters {empty} lost all their rows in iteration {state.n_iter + 1}; "
        "choose fewer clusters, another start, or empty_cluster='farthest'"
    )


EMPTY_CLUSTER: Final[dict[str, Rule]] = {
    "farthest": fill_from_farthest,
    "random": fill_at_random,
    "drop": drop,
    "error": refuse,
}


def updated(passes: Passes, state: FitState, part: PartialSums, rule: str, seed: int) -> F64:
    """Return the centers after a pass, empty clusters treated by the rule."""
    if (part.mass() > 0.0).all():
        return passes.data.moved(part, state.centers)
    return EMPTY_CLUSTER[rule](passes, state, part, seed)

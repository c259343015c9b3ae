"""Nested mini-batches: Lloyd on a prefix of the stream that doubles as the centers settle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from streamkm.cluster.passes import Passes
from streamkm.cluster.state import FitState
from streamkm.cluster.stream import Stream
from streamkm.cluster.tally import Tally
from streamkm.kernels.lloyd import PartialSums
from streamkm.typing import F64

FIRST_ROWS: Final = 32  # of the first prefix, for every center: fewer lead it astray
LEAST_GAIN: Final = 4e-4  # of the inertia, in a pass over all rows, below which it ends


def first_prefix(centers: F64, batch_size: int, n_rows: int) -> FitState:
    """Return the state before the first pass: over a batch, or 32 rows for every center."""
    size = min(max(batch_size, FIRST_ROWS * len(centers)), n_rows)
    return replace(FitState.start(centers, 0), extra={"prefix_rows": np.array([size, 0])})


def nested(
    passes: Passes, stream: Stream, state: FitState, max_iter: int, tol: float
) -> Iterator[FitState]:
    """Yield the state after every pass over the growing prefix.

    Every row of the prefix counts once, with its present cluster: what a pass
    adds is what new rows bring and rows with a new cluster change, as in
    `KMeans`. The prefix doubles when the standard error of the centers, which
    only more rows can lower, passes their drift, which only more passes can. On
    all rows the fit ends with the first pass that lowers the inertia by less than
    a 2500th.

    References
    ----------
    Newling & Fleuret, "Nested mini-batch k-means", NIPS 2016, section 3.2
    (the balance of sigma_C and p) and algorithm 3 (gb-rho).
    """
    n_rows, data = passes.source.shape[0], passes.data
    shift = data.frame.shift
    grids = replace(data.grids, squares=data.summary.spread_grid(shift[None]))
    tally = Tally(passes, 1, "auto")
    while not state.converged:
        size = int(state.extra["prefix_rows"][0])
        batch = stream.prefix(size)
        (part,), found = tally.sums(
            [0], [state.centers], f"nested, {size} of {n_rows} rows", "nested",
            groups=batch.groups, source=batch.source, grids=grids,
        )  # fmt: skip
        centers = data.moved(part, state.centers)
        spread = part.spread(state.centers, shift)
        move = float(((centers - state.centers) ** 2).sum())
        is_settled = move <= standard_errors(part, spread).sum()
        is_close = tol > 0.0 and move <= tol * data.summary.mean_variance
        inertia = float(spread.sum()) * (n_rows / size)
        was_whole = state.extra["prefix_rows"][1] == n_rows
        gains_little = was_whole and inertia > (1.0 - LEAST_GAIN) * state.inertia
        at_end = size == n_rows and (gains_little or is_close or move == 0.0)
        state = FitState(
            centers=centers,
            counts=part.counts,
            n_iter=state.n_iter + 1,
            inertia=inertia,
            center_shift=move,
            converged=at_end or state.n_iter + 1 >= max_iter,
            extra={"prefix_rows": np.array([min(2 * size, n_rows) if is_settled else size, size])},
        )
        passes.note(
            n_iter=[state.n_iter], inertia=[inertia], center_shift=[move], rows=size, **found
        )
        yield state


def standard_errors(part: PartialSums, spread: F64) -> F64:
    """Return each center's squared standard error: its rows' spread over n (n - 1).

    A center with one row has none, and counts with the largest of the others.
    """
    counts = part.counts
    errors = np.zeros(len(counts))
    many = counts > 1
    mass = part.mass()[many]
    errors[many] = spread[many] / (mass * np.maximum(counts[many] - 1, 1))
    errors[~many] = errors.max(initial=0.0)
    return errors

"""Nested mini-batches: Lloyd on a prefix of the stream that doubles as the centers settle."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from streamkm.cluster.passes import Passes
from streamkm.cluster.state import FitState
from streamkm.cluster.stream import Stream
from streamkm.kernels.lloyd import PartialSums
from streamkm.tasks import fit as tasks
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

    Every row of the prefix counts once, with its present cluster: the sums are
    taken anew in each pass, which gives the bits that adding and taking back
    would. The prefix doubles when the standard error of the centers, which
    only more rows can lower, passes their drift, which only more passes can. On
    all rows the fit ends with the first pass that lowers the inertia by less than
    a 2500th.

    References
    ----------
    Newling & Fleuret, "Nested mini-batch k-means", NIPS 2016, section 3.2
    (the balance of sigma_C and p) and algorithm 3 (gb-rho).
    """
    n_rows = passes.source.shape[0]
    while not state.converged:
        size = int(state.extra["prefix_rows"][0])
        batch = stream.prefix(size)
        context = passes.data.context(
            [state.centers],
            source=batch.source,
            weights=batch.weights,
            spread=passes.data.summary.spread_grid(state.centers),
        )
        begin = time.perf_counter()
        title = f"nested, {size} of {n_rows} rows"
        passes.announce("nested", title, size)
        result = passes.work(tasks.step, batch.groups, context)
        part, spread = result.parts
        centers = passes.data.moved(part, state.centers)
        drift = ((centers - state.centers) ** 2).sum(axis=1)
        error = standard_errors(part, spread.value()[:, 0])
        shift, noise = float(drift.sum()), float(error.sum())
        is_settled = shift <= noise
        is_close = tol > 0.0 and (shift <= tol * passes.data.summary.mean_variance)
        inertia = float(spread.value().sum()) * (n_rows / size)
        was_whole = state.extra["prefix_rows"][1] == n_rows
        gains_little = was_whole and inertia > (1.0 - LEAST_GAIN) * state.inertia
        at_end = size == n_rows and (gains_little or is_close or shift == 0.0)
        state = FitState(
            centers=centers,
            counts=part.counts,
            n_iter=state.n_iter + 1,
            inertia=inertia,
            center_shift=shift,
            converged=at_end or state.n_iter + 1 >= max_iter,
            extra={"prefix_rows": np.array([min(2 * size, n_rows) if is_settled else size, size])},
        )
        passes.record("nested", time.perf_counter() - begin, result.stats)
        passes.note(n_iter=[state.n_iter], inertia=[inertia], center_shift=[shift], rows=size)
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

"""Mini-batch k-means as a generator of states: steps along the stream."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from streamkm.cluster.init import Seeding, make_starts, refine, sample_rows
from streamkm.cluster.passes import Passes
from streamkm.cluster.state import FitState
from streamkm.cluster.steps import Steps, averaged, reassign, updated
from streamkm.cluster.stream import Stream
from streamkm.kernels.assign import assign
from streamkm.kernels.centers import prepare
from streamkm.keyed import SEEDING, generator
from streamkm.metering import metered
from streamkm.tasks import fit as tasks
from streamkm.tasks.base import PassStats
from streamkm.typing import F64

START_ITERATIONS: Final = 10
MANY_READS: Final = 4.0
LARGE_BYTES: Final = 256 << 20  # of data, below which nobody waits for reads
WORTHWHILE_S: Final = 0.5  # of work in a step on a cluster, where a step itself costs 0.05 s
PRODUCTS_PER_S: Final = 1e10  # of one worker


@dataclass(frozen=True, slots=True)
class StreamParameters:
    """What steers the steps: see `MiniBatchKMeans`."""

    max_iter: int
    tol: float
    max_no_improvement: int | None
    reassignment_ratio: float
    learning_rate: str
    seed: int

    @classmethod
    def of(cls, model: Any, seed: int) -> StreamParameters:
        """Read an estimator's parameters."""
        return cls(
            model.max_iter,
            float(model.tol),
            model.max_no_improvement,
            float(model.reassignment_ratio),
            model.learning_rate,
            seed,
        )


def best_start(passes: Passes, init: Any, seed: int, init_rows: int, sizes: tuple[int, int]) -> F64:
    """Return the start that serves other rows of the sample best.

    Each is a batch k-means, of a few iterations, on a sample that is in memory;
    a start that was given stays as it is.

    Parameters
    ----------
    passes
        The data, looked at.
    init
        As for `KMeans`.
    seed
        All randomness is keyed by it.
    init_rows
        Rows that a start is made from, and judged on.
    sizes
        n_clusters and n_init.
    """
    n_clusters, n_init = sizes
    data = passes.data
    seeding = Seeding(passes, n_clusters, seed, range(n_init), most_rows=init_rows)
    starts = make_starts(init, seeding)
    if isinstance(init, np.ndarray):
        return starts[0]
    rows, weights = sample_rows(seeding)
    mass = np.ones(len(rows)) if weights is None else weights
    starts = [refine(start, rows, mass, data, START_ITERATIONS) for start in starts]
    draws = generator(seed, SEEDING, n_init)
    chosen = np.sort(draws.permutation(len(data.sample))[:init_rows])
    rows = data.sample[chosen]
    mass = np.ones(len(rows)) if data.sample_weight is None else data.sample_weight[chosen]
    judged = [float((assign(rows, prepare(c, data.sample_frame))[1] * mass).sum()) for c in starts]
    return starts[int(np.argmin(judged))]


def warn_of_small(passes: Passes, batch_size: int, n_clusters: int) -> None:
    """Warn once where a cluster would spend its time on overhead; name a good batch size."""
    if passes.executor.name != "distributed":
        return
    n_rows, n_features = passes.source.shape
    wanted = WORTHWHILE_S * PRODUCTS_PER_S * passes.executor.n_workers
    good = 1 << int(np.ceil(np.log2(max(wanted / (n_features * n_clusters), 1.0))))
    if batch_size < min(good // 4, n_rows):
        advice = f"batch_size={good} keeps {passes.executor.n_workers} workers busy"
        if good >= n_rows:
            advice = "this data is small enough for executor='threads'"
        warnings.warn(
            f"a step of batch_size={batch_size} rows costs less than its way through the "
            f"scheduler; {advice}",
            stacklevel=6,
        )


def warn_of_unmixed(stream: Stream) -> None:
    """Warn once where mixing the rows costs many reads; say what spares them."""
    if stream.reads > MANY_READS and stream.n_bytes > LARGE_BYTES:
        warnings.warn(
            f"the rows are not shuffled: mixing them decodes the data about {stream.reads:.0f} "
            f"times over in each round; `convert --shuffle` them once, or give a shuffle_buffer "
            f"larger than {stream.buffer_rows} rows",
            stacklevel=6,
        )


def stream_steps(
    passes: Passes, stream: Stream, state: FitState, parameters: StreamParameters
) -> Iterator[FitState]:
    """Yield the state after every buffer of batches, until the model has stopped."""
    warn_of_small(passes, stream.batch_size, len(state.centers))
    warn_of_unmixed(stream)
    last = parameters.max_iter * stream.steps_per_epoch
    while not state.converged and state.n_iter < last:
        model = Steps.from_state(state)
        begin, stats = time.perf_counter(), []
        epoch = model.n_steps // stream.steps_per_epoch + 1
        stop = min((model.n_steps // stream.steps_per_buffer + 1) * stream.steps_per_buffer, last)
        rows = min(stream.buffer_rows, (stop - model.n_steps) * stream.batch_size)
        passes.announce("steps", f"mini-batches, epoch {epoch}", rows)
        converged = False
        while model.n_steps < stop and not converged:
            model, converged, cost = _step(passes, stream, model, parameters)
            stats.append(cost)
        state = model.to_state(converged=converged)
        passes.record("steps", time.perf_counter() - begin, PassStats.merge_all(stats))
        average = model.average * passes.data.summary.weight
        passes.note(n_iter=[model.n_steps], inertia=[average], center_shift=[float("nan")])
        yield state


def _step(
    passes: Passes, stream: Stream, model: Steps, parameters: StreamParameters
) -> tuple[Steps, bool, PassStats]:
    data, number = passes.data, model.n_steps
    with metered() as meter:
        batch = stream.batch(number)
    context = data.context(
        [model.centers],
        source=batch.source,
        weights=batch.weights,
        spread=data.summary.spread_grid(model.centers),
    )
    result = passes.work(tasks.step, batch.groups, context)
    part, spread = result.parts
    cost = PassStats.merge_all([result.stats, PassStats.of(meter)])
    mass = float(part.mass().sum())
    if not mass > 0.0:
        return replace(model, n_steps=number + 1), False, cost
    after = updated(model, part, parameters.learning_rate)
    ratio = parameters.reassignment_ratio
    after = reassign(
        after, ratio, batch.n_rows, parameters.seed, lambda p: data.as_centers(batch.take(p))
    )
    after = replace(after, centers=data.projected(after.centers, model.centers))
    inertia = float(spread.value().sum()) / mass
    after = averaged(after, inertia, batch.n_rows, stream.n_rows)
    return after, _has_stopped(model, after, parameters, data.summary.mean_variance), cost


def _has_stopped(
    before: Steps, after: Steps, parameters: StreamParameters, variance: float
) -> bool:
    if after.n_steps == 1:
        return False
    shift = float(((after.centers - before.centers) ** 2).sum())
    if parameters.tol > 0.0 and shift <= parameters.tol * variance:
        return True
    patience = parameters.max_no_improvement
    return patience is not None and after.n_worse >= patience

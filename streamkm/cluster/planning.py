"""What a fit will cost, said before it: measured for about a second, and planned as `fit` plans."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Final

from streamkm.cluster.init import Seeding, random_start
from streamkm.cluster.kmeans import KMeans
from streamkm.cluster.passes import Passes
from streamkm.data.dataset import Dataset
from streamkm.data.layout import Group
from streamkm.errors import SourceError
from streamkm.kernels.kept_rows import SUBSPACE_BYTES, bytes_per_row, directions_for, fitting
from streamkm.tasks import fit as tasks
from streamkm.tasks.base import PassStats

MEASURE_S: Final = 1.0
SAMPLE_ROWS: Final = 4096  # that the iterations are counted on
SPREAD: Final = 0.618  # share of the blocks between one that is measured and the next


@dataclass(frozen=True, slots=True)
class FitPlan:
    """What a fit will cost.

    Parameters
    ----------
    n_rows, n_features, dtype
        Of the data.
    n_clusters, algorithm
        Of the fit.
    crew, can_keep
        Who runs the tasks, and whether something of the rows can be kept there.
    limit_bytes, n_workers, block_bytes
        The memory limit, tasks at once, and what one read call brings.
    cached_share
        Share of the rows that stays decoded between passes.
    kept_bytes, n_groups
        Labels and bounds that are kept of all rows, and groups of centers that
        bounds are kept for: 0 for labels alone; None where nothing is kept.
    peak_bytes
        What the limit is planned to be used up to: Python and its libraries, the
        tasks, and all that stays of the rows.
    measured
        What the blocks that were measured cost; its `n_rows` says how many rows.
    first_pass_s, later_pass_s
        Seconds of the first pass over all rows, and of one that finds in memory
        what is cached; every row is measured to every center.
    pass_bytes
        Stored bytes of all rows.
    n_iter
        Iterations on a sample of at most 4096 rows: more rows take more.
    """

    n_rows: int
    n_features: int
    dtype: str
    n_clusters: int
    algorithm: str
    crew: str
    can_keep: bool
    limit_bytes: int
    n_workers: int
    block_bytes: int
    cached_share: float
    kept_bytes: int
    n_groups: int | None
    peak_bytes: int
    measured: PassStats
    first_pass_s: float
    later_pass_s: float
    pass_bytes: int
    n_iter: int

    @property
    def total_s(self) -> float:
        """Seconds of as many passes as the sample took iterations, and the closing one."""
        return self.first_pass_s + self.n_iter * self.later_pass_s

    def advice(self) -> list[str]:
        """Return what would make it faster, the most useful first."""
        stats, found = self.measured, []
        reading = stats.read_s + stats.decode_s
        if reading > stats.compute_s and self.cached_share < 1.0:
            found.append("most of a pass is reading: a larger memory limit keeps more rows decoded")
        if stats.decode_s > max(stats.read_s, stats.compute_s):
            found.append("most of it is decoding: convert with --codec lz4 or --codec none")
        if not self.can_keep:
            found.append(
                "threads and clusters keep what they know of the rows; these processes do not"
            )
        elif not self.n_groups and self.n_clusters > 1 and self.algorithm != "lloyd":
            found.append("bounds of the rows do not fit: a larger memory limit spares late passes")
        if reading > stats.compute_s:
            found.append("restarts (--n-init) and the numbers of a sweep share every read")
        else:
            found.append("most of a pass is computing: more workers, or fewer rows by minibatch")
        return found


def plan_fit(model: KMeans, X: Any) -> FitPlan:
    """Measure a second of a fit's passes and say what all of it will cost.

    Parameters
    ----------
    model
        With the parameters of the fit; is not fitted.
    X
        A store that `convert` made.

    Returns
    -------
    plan
        As `fit` would plan it here and now.

    Raises
    ------
    SourceError
        If X is no store: the moments of its rows are not known.
    MemoryLimitError
        If the fit would not fit.
    """
    planned = KMeans(**{**model.get_params(deep=False), "run_dir": None})
    rows = planned.begin(X)
    if not isinstance(rows, Dataset):
        raise SourceError("only a store can be planned for; make one of the rows: streamkm convert")
    with planned.passes_over(rows, None) as passes:
        data = passes.look(2 * planned.n_clusters)
        n_used = len(data.summary.mean)
        stats, seconds = _measure(passes, planned.n_clusters)
        source = passes.source
        cache = getattr(source, "budget_bytes", 0) * passes.executor.n_memories
        decoded = rows.shape[0] * rows.shape[1] * rows.dtype.itemsize
        n_groups, kept = _kept(passes, planned, n_used)
        assert data.raw_sample is not None
        sample = data.raw_sample[:: max(len(data.raw_sample) // SAMPLE_ROWS, 1)]
        share = min(cache / decoded, 1.0)
        first = seconds / stats.n_rows * rows.shape[0]
        cost = stats.read_s + stats.decode_s + stats.compute_s
        saved = share * (stats.read_s + stats.decode_s) / cost if cost > 0.0 else 0.0
        return FitPlan(
            *rows.shape, rows.dtype.name, planned.n_clusters, planned.algorithm,
            passes.executor.crew(), passes.executor.n_memories > 0, passes.plan.limit_bytes,
            passes.plan.n_workers, passes.plan.block_bytes, share, kept, n_groups,
            passes.plan.working_bytes + int(share * decoded) + kept, stats, first,
            first * (1.0 - saved), stats.bytes_read * rows.shape[0] // stats.n_rows,
            _iterations(planned, sample),
        )  # fmt: skip


def _measure(passes: Passes, n_clusters: int) -> tuple[PassStats, float]:
    """Run blocks from all over the data for about a second, after a first few for the kernels."""
    (centers,) = random_start(Seeding(passes, n_clusters, 0, range(1)))
    context = passes.data.context([centers])
    warm, *waves = _waves(passes)
    passes.work(tasks.lloyd, warm, context)  # the kernels are compiled, or loaded
    found = []
    begin = time.perf_counter()
    for wave in waves or [warm]:
        found.append(passes.work(tasks.lloyd, wave, context).stats)
        if time.perf_counter() - begin > MEASURE_S:
            break
    return PassStats.merge_all(found), time.perf_counter() - begin


def _waves(passes: Passes) -> list[list[Group]]:
    """Return blocks, as many at once as there are workers, each far from the one before."""
    n_rows, size = passes.source.shape[0], passes.block_rows
    n_blocks = -(-n_rows // size)
    stride = max(int(n_blocks * SPREAD), 1)
    while math.gcd(stride, n_blocks) > 1:
        stride += 1
    order = [i * stride % n_blocks for i in range(n_blocks)]
    width = max(passes.executor.n_workers, 1)
    return [
        [
            Group(g, block * size, min((block + 1) * size, n_rows), size)
            for g, block in enumerate(order[start : start + width])
        ]
        for start in range(0, n_blocks, width)
    ]


def _kept(passes: Passes, model: KMeans, n_used: int) -> tuple[int | None, int]:
    """Return for how many groups bounds are kept, and the bytes of it."""
    n_memories, n_models = max(passes.executor.n_memories, 1), model.n_init
    n_rows = -(-passes.source.shape[0] // n_memories)  # of each
    room = (passes.keep_bytes or passes.sent_bytes) // n_models
    shape = model.n_clusters, n_used
    n_kept, n_groups = fitting(model.algorithm, shape, n_rows, room)
    n_directions = 0
    if passes.keep_bytes:  # workers do without
        n_directions = directions_for(model.algorithm, shape, n_rows, room)
    kept_bytes = n_memories * n_kept * bytes_per_row(n_groups, n_directions) * n_models
    kept_bytes += SUBSPACE_BYTES if n_directions else 0
    return n_groups if n_kept else None, kept_bytes


def _iterations(model: KMeans, sample: Any) -> int:
    """Return how many iterations the fit takes on a few rows."""
    if len(sample) <= model.n_clusters:
        return 1
    own = {"executor": "serial", "memory_limit": None, "n_init": 1, "empty_cluster": "farthest"}
    return KMeans(**{**model.get_params(deep=False), **own}).fit(sample).n_iter_

"""The pass that makes a coreset: in parts of fixed groups of rows, each of them a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from streamkm.cluster.arguments import digest_of_weights, seed_of, weights_of
from streamkm.cluster.coreset import Coreset
from streamkm.cluster.passes import Passes
from streamkm.cluster.progress import shown
from streamkm.cluster.rows import as_rows, facts_of, shipped
from streamkm.cluster.rundir import RunDir, taken
from streamkm.cluster.state import FitState
from streamkm.data.aligned import AlignedSource
from streamkm.data.digest import fingerprint
from streamkm.data.layout import Group, plan_groups
from streamkm.errors import SourceError, StoreError
from streamkm.kernels.coreset import REDUCERS
from streamkm.kernels.coreset_tree import LEAF, CoresetPlan, CoresetTree
from streamkm.runtime import make_executor
from streamkm.runtime.base import Executor
from streamkm.sources.array import MemorySource
from streamkm.tasks.coreset import CoresetContext, coreset
from streamkm.typing import RowSource

SIZE_PER_CLUSTER: Final = 200
NODES: Final = 4  # coresets that a task holds beside its leaf, for each doubling of the rows
GROUP_CHUNKS: Final = 4  # of the store, at least, in a group
LONG_S: Final = 300.0  # a pass that may last longer has a checkpoint after each part
PART_GROUPS: Final = 8  # groups of a part, or more for many workers
WORKER_GROUPS: Final = 4  # of a part, for each of them


def make_coreset(
    X: Any,
    n_clusters: int,
    *,
    coreset: Literal["tree", "sensitivity", "lightweight"] = "tree",
    coreset_size: int | None = None,
    sample_weight: Any = None,
    random_state: int | None = None,
    executor: str | Executor | None = None,
    memory_limit: int | str | None = None,
    run_dir: str | Path | None = None,
) -> Coreset:
    """Make a coreset in one pass.

    Parameters
    ----------
    X
        Rows, as for `KMeans.fit`.
    n_clusters
        For how many clusters it should be good; fewer are well served too.
    coreset
        "tree" (StreamKM++), "sensitivity" or "lightweight"; see `StreamKM`.
    coreset_size
        Rows of the coreset; None for 200 * n_clusters.
    sample_weight
        Weights, shape (n_samples,), not negative. By default those of the
        store, where it has an array `sample_weight`.
    random_state
        Seed; by default a fresh one.
    executor, memory_limit
        As for `KMeans`.
    run_dir
        Folder for checkpoints, every few groups of the rows where these are many; the
        same call goes on from them, to the same bits.

    Returns
    -------
    coreset
        Rows and weights; `save` keeps them, `+` joins two.

    Raises
    ------
    SourceError
        If a parameter is out of its range.
    StoreError
        If `run_dir` holds another run; says what differs.

    Notes
    -----
    One pass over the rows; memory does not grow with them. The bits depend on
    the data, the parameters and the seed alone.
    """
    size = SIZE_PER_CLUSTER * n_clusters if coreset_size is None else coreset_size
    if n_clusters < 1 or coreset not in REDUCERS or size < 1:
        raise SourceError(
            f"n_clusters and coreset_size must be at least 1, coreset one of "
            f"{', '.join(REDUCERS)}; got {n_clusters}, {coreset_size} and {coreset!r}"
        )
    rows = as_rows(X)
    weights = weights_of(rows, sample_weight)
    runner = make_executor(executor)
    try:
        with taken(run_dir) as run, shipped(rows, weights, runner) as (source, mass):
            runner.preflight(source if not isinstance(source, MemorySource) else None)
            plan = CoresetPlan(size, coreset, n_clusters, _seed(run, random_state))
            passes = Passes(source, mass, runner, memory_limit, coreset_values(rows, plan))
            tree = _grown(passes, plan, run, rows, digest_of_weights(weights))
    finally:
        if executor is None or isinstance(executor, str):
            runner.close()
    n_rows, info = rows.shape[0], rows.info
    made = Coreset(*tree.result(), n_rows, plan, info.sample_shape, info.name)
    return replace(made, feature_names=info.feature_names)


def _seed(run: RunDir | None, random_state: int | None) -> int:
    """Return the seed; a run that began without one goes on with the one it drew."""
    drawn = run.seed("seed") if random_state is None and run is not None else None
    return seed_of(random_state) if drawn is None else int(drawn)


def _grown(
    passes: Passes, plan: CoresetPlan, run: RunDir | None, rows: RowSource, weights: str
) -> CoresetTree:
    """Return the tree of all rows; what a run directory has of it is not gone through again."""
    tree, done = CoresetTree(plan), 0
    if run is not None:
        run.begin({
            "algorithm": "coreset", "parameters": plan.to_json(),
            "fingerprint": fingerprint(rows), "weights": weights, "_about": facts_of(rows),
        })  # fmt: skip
        found = run.load()
        if found is not None:
            ((state,), passes.history) = found
            tree, done = CoresetTree.from_arrays(plan, state.extra), int(state.extra["done"][0])
    with shown(passes.executor, run):
        for tree, done in grow(passes, plan, tree, done, is_only=True):  # noqa: B020
            if run is not None:
                state = FitState.unsolved(rows.shape[1], tree.to_arrays(), done)
                run.save((state,), passes.history)
    if run is not None:
        run.finish(passes.history, {})
    return tree


def coreset_values(rows: RowSource, plan: CoresetPlan) -> int:
    """Return what a task holds, in the eight-fold numbers that `Passes` counts."""
    n_rows, n_features = rows.shape
    row_bytes = n_features * rows.dtype.itemsize + 8
    leaves = -(-n_rows // plan.leaf_rows)
    held = 2 * LEAF + NODES + 2 * max(leaves, 1).bit_length()
    seen_bytes = 8 * plan.view.width(n_features) if plan.view.is_unit else 0  # of a row of a leaf
    n_seen = min(LEAF * plan.size, n_rows)
    return (min(held * plan.size, 2 * n_rows + held) * row_bytes + n_seen * seen_bytes) // 64


def leaf_groups(source: RowSource, leaf_rows: int) -> list[Group]:
    """Cut the rows into groups of whole leaves, whatever the memory limit is.

    A chunk in which two groups meet is read for both, so that groups are
    several chunks long.
    """
    (n_rows, n_features), info = source.shape, source.info
    stretch = leaf_rows * max(GROUP_CHUNKS * info.natural_rows // leaf_rows, 1)
    row_bytes = n_features * source.dtype.itemsize
    groups = plan_groups(
        n_rows, row_bytes, stretch, is_sequential=info.is_sequential, parts=info.parts
    )
    return [replace(group, block_rows=leaf_rows) for group in groups]


def grow(
    passes: Passes, plan: CoresetPlan, tree: CoresetTree, done: int, *, is_only: bool
) -> Iterator[tuple[CoresetTree, int]]:
    """Yield the tree, and how many rows it has taken in, after each part of the pass.

    Rows are kept in memory only for passes that follow.

    Raises
    ------
    StoreError
        If no group begins where `done` rows end: the rows lie in other chunks than
        when the pass began.
    """
    raw: Any = passes.release()
    source: Any = raw if is_only else passes.source
    n_rows, n_features = source.shape
    groups: Any
    if hasattr(raw, "read_groups"):
        source = raw.evenly(plan.leaf_rows)  # a chunk of the array is a leaf
        groups = source.read_groups()
    else:
        unit = source.info.natural_rows
        leaf = -(-plan.leaf_rows // unit) * unit  # in whole chunks: no need to hold more
        source = AlignedSource(source, min(passes.block_rows, leaf if is_only else n_rows))
        groups = leaf_groups(source, plan.leaf_rows)
    tree_bytes = 4 * plan.size * n_features * source.dtype.itemsize
    context = CoresetContext(source, passes.weights, plan, tree_bytes)
    left = [group for group in groups if group.start >= done]
    if done < n_rows and (not left or left[0].start != done):
        raise StoreError(f"the rows are cut in other places than when {done} of them were read")
    is_long = passes.most_s > LONG_S
    step = max(PART_GROUPS, WORKER_GROUPS * passes.executor.n_workers) if is_long else len(groups)
    for first in range(0, len(left), step):
        chosen = left[first : first + step]
        title = "coreset" if len(groups) <= step else f"coreset, from row {chosen[0].start:,}"
        (grown,) = passes.run(coreset, context, stage="coreset", title=title, groups=chosen)
        passes.note()
        tree = CoresetTree.merge_all([tree, grown])
        yield tree, chosen[-1].stop

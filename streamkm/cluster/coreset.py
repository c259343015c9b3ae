"""Coresets as values that users keep: made in one pass, saved, added, clustered for any K."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from streamkm.cluster.arguments import seed_of, weights_of
from streamkm.cluster.names import refuse_other_names
from streamkm.cluster.passes import Passes
from streamkm.cluster.rows import as_rows, shipped
from streamkm.data.aligned import AlignedSource
from streamkm.data.dataset import Dataset
from streamkm.data.layout import Group, plan_groups
from streamkm.data.spec import CORESET_KEY
from streamkm.data.weighted import write_weighted
from streamkm.errors import SourceError, StoreError
from streamkm.kernels.coreset import REDUCERS
from streamkm.kernels.coreset_tree import LEAF, CoresetPlan, CoresetTree, joined
from streamkm.kernels.moments import MomentsAccumulator, first_shift
from streamkm.runtime import make_executor
from streamkm.runtime.base import Executor
from streamkm.sources.array import MemorySource
from streamkm.tasks.coreset import CoresetContext, coreset
from streamkm.typing import F64, Rows, RowSource

SIZE_PER_CLUSTER: Final = 200
ADDED: Final = 62  # level of sums of coresets, among the keys of the tree
NODES: Final = 4  # coresets that a task holds beside its leaf, for each doubling of the rows
GROUP_CHUNKS: Final = 4  # of the store, at least, in a group
PART_GROUPS: Final = 64  # groups between two checkpoints


@dataclass(frozen=True, slots=True)
class Coreset:
    """A few weighted rows that stand for many: any centers cost nearly the same on both.

    Parameters
    ----------
    rows
        Shape (n, n_features), rows of the data in its own dtype.
    weights
        How much each stands for, shape (n,), positive.
    n_rows
        Rows that were read.
    plan
        How it was made.
    sample_shape, source, feature_names
        Of the data: shape of one sample, its name, those of its features.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> X = np.random.default_rng(0).normal(size=(5000, 3))
    >>> monday = streamkm.make_coreset(X[:3000], n_clusters=4, random_state=0)
    >>> tuesday = streamkm.make_coreset(X[3000:], n_clusters=4, random_state=0)
    >>> both = monday + tuesday
    >>> both.n_rows, len(both.rows), round(both.weights.sum())
    (5000, 800, 5000)
    """

    rows: Rows = field(repr=False)
    weights: F64 = field(repr=False)
    n_rows: int
    plan: CoresetPlan
    sample_shape: tuple[int, ...] = ()
    source: str = "coreset"
    feature_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.rows):
            raise SourceError("all sample weights are zero")

    def __add__(self, other: Coreset) -> Coreset:
        """Return the coreset of both data sets together, as large as the larger one."""
        ours, theirs = (f"{one.rows.shape[1]} x {one.rows.dtype}" for one in (self, other))
        if ours != theirs:
            raise SourceError(f"coresets of {ours} and {theirs} features cannot be added")
        refuse_other_names("a coreset to be added", self.feature_names, other.feature_names)
        if self.plan.view != other.plan.view:
            raise SourceError(
                "coresets of rows that were scaled in different ways cannot be added; make both "
                "with one number as scale, or without scaling"
            )
        plan = self.plan if self.plan.size >= other.plan.size else other.plan
        n_rows = self.n_rows + other.n_rows
        pair = joined([(self.rows, self.weights), (other.rows, other.weights)])
        rows, weights = plan.reduce(*pair, ADDED, n_rows % (1 << 31))
        return replace(self, rows=rows, weights=weights, n_rows=n_rows, plan=plan)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save as a small store with weights, which `fit` takes like any other.

        Raises
        ------
        StoreExistsError
            If the path is taken and `overwrite` is False.
        """
        moments = MomentsAccumulator(first_shift(self.rows[:256]))
        moments.add(self.rows, None, 0)
        facts = {
            "moments": moments.result().summary().to_json(),
            "sample_shape": self.sample_shape,
            "source": self.source,
            "feature_names": self.feature_names,
            CORESET_KEY: {"n_rows": self.n_rows, **self.plan.to_json()},
        }
        write_weighted(path, self.rows, self.weights, facts, overwrite=overwrite)

    @classmethod
    def open(cls, path: str | Path) -> Coreset:
        """Read a coreset that was saved.

        Raises
        ------
        StoreError
            If the store holds none.
        """
        store = Dataset(path)
        facts: Any = store.group.attrs.get(CORESET_KEY)
        weights = store.sample_weight
        if not isinstance(facts, dict) or weights is None:
            raise StoreError(f"{path}: a store, but not of a coreset")
        n_rows, spec = store.shape[0], store.spec
        plan = CoresetPlan.from_json(facts, spec.n_features)
        rows, masses = store.read(0, n_rows), np.asarray(weights.read(0, n_rows))
        known = spec.sample_shape, spec.source, spec.feature_names
        return cls(rows, masses, facts["n_rows"], plan, *known)


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

    Returns
    -------
    coreset
        Rows and weights; `save` keeps them, `+` joins two.

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
    plan = CoresetPlan(size, coreset, n_clusters, seed_of(random_state))
    runner = make_executor(executor)
    try:
        with shipped(rows, weights, runner) as (source, mass):
            runner.preflight(source if not isinstance(source, MemorySource) else None)
            passes = Passes(source, mass, runner, memory_limit, coreset_values(rows, plan))
            *_, (tree, _) = grow(passes, plan, CoresetTree(plan), 0, is_only=True)
    finally:
        if executor is None or isinstance(executor, str):
            runner.close()
    n_rows, info = rows.shape[0], rows.info
    made = Coreset(*tree.result(), n_rows, plan, info.sample_shape, info.name)
    return replace(made, feature_names=info.feature_names)


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
    """Yield the tree, and how many parts of the pass it has taken in, after each part.

    Rows are kept in memory only for passes that follow.
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
    n_parts = -(-len(groups) // PART_GROUPS)
    for part in range(done, n_parts):
        chosen = groups[part * PART_GROUPS : (part + 1) * PART_GROUPS]
        title = "coreset" if n_parts == 1 else f"coreset, part {part + 1} of {n_parts}"
        (grown,) = passes.run(coreset, context, stage="coreset", title=title, groups=chosen)
        passes.note()
        tree = CoresetTree.merge_all([tree, grown])
        yield tree, part + 1

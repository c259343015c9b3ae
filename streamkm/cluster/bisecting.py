"""BisectingKMeans: a tree of 2-means splits, over data of any size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamkm.cluster.base import Clusterer
from streamkm.cluster.checks import check_choice, check_number, check_whole
from streamkm.cluster.lloyd import Closed
from streamkm.cluster.passes import Passes
from streamkm.cluster.scaling import Columns, Normalize, Scale
from streamkm.cluster.split_starts import INITS, StartParameters
from streamkm.cluster.splits import SplitParameters, n_rounds, split_rounds
from streamkm.cluster.state import FitState
from streamkm.cluster.tree import STRATEGIES, KnownTree
from streamkm.kernels.cluster_tree import ClusterTree
from streamkm.runtime.base import Executor
from streamkm.typing import F64, I32, I64, RowSource

TREE_COPIES = 2  # of all centers that a pass takes to its tasks, in units of the running splits'


class BisectingKMeans(Clusterer):
    """Bisecting k-means over data that need not fit in memory.

    All rows begin as one cluster; one cluster after the other is split in two
    by 2-means, until there are `n_clusters`. Rows are labeled by walking the
    tree of the splits, so that a prediction costs the tree's depth and not the
    number of clusters.

    Parameters
    ----------
    n_clusters
        Number of clusters, at least 1.
    init
        Where a split begins: "k-means++" (greedy) or "random" (data points),
        among rows of the cluster that is split.
    n_init
        Restarts of each split. They share every pass; the best is kept.
    max_iter
        The most iterations of each restart of each split.
    tol
        A split stops when the total squared move of its two centers is at most
        `tol` times the mean variance of the features, over all rows; 0 stops
        when they repeat bit for bit.
    bisecting_strategy
        Which cluster is split next: "biggest_inertia" (sum of squared
        distances) or "largest_cluster" (number of rows).
    random_state
        Seed of all randomness; by default a fresh one, kept as `seed_`.
    scale
        "standard", "minmax", a number that values are divided by, or "none", as for
        `KMeans`.
    normalize
        "l2" scales rows to unit length, as for `KMeans`.
    columns
        Features to use, such as [0, 3, 7] or "0:3,7"; None for all.
    executor, memory_limit, run_dir, checkpoint_every_s
        As for `KMeans`.

    Attributes
    ----------
    cluster_centers_
        Centers of the leaves from left to right, shape (n_clusters,
        n_features), float64: scaled, of `columns` alone. Fewer where fewer rows
        are distinct.
    centers_in_data_units_
        The centers without `scale`, same shape; None at unit length.
    inertia_
        Weighted sum of squared distances to the centers of the rows' own
        leaves. Another leaf's center may be nearer to a row.
    labels_
        Shape (n_samples,), int32; only after fitting rows in memory.
    cluster_sizes_
        Rows of each cluster, shape (n_clusters,), int64.
    n_iter_
        Iterations of all splits of the tree together: the passes that one
        split after the other would have taken.
    n_rounds_
        Rounds of shared passes that they took instead.
    tree_children_
        The two children of each node, shape (n_nodes, 2), -1 for a leaf. Node
        0 is the root. Nodes are numbered in the order of the splits: the first
        2 k - 1 are the tree of k clusters.
    tree_centers_
        Center of each node, shape (n_nodes, n_features).
    tree_inertia_
        Inertia of each node's rows about its center, shape (n_nodes,).
    tree_sizes_
        Rows of each node, shape (n_nodes,), int64.
    tree_labels_
        Cluster of each leaf, shape (n_nodes,), -1 for other nodes.
    history_
        One record a pass: stage, round, seconds, bytes read and decoded, and
        the node, restart, iteration and move of every split.
    seed_
        The seed that was used: `random_state`, or the one that was drawn.
    n_features_in_, feature_names_in_
        Features seen in `fit`: how many, and their names where the rows had some.

    Notes
    -----
    A split depends on its rows, the seed and its place in the tree alone. So all
    splits that the order will want, as far as it is known, share their passes:
    there are as many rounds as the tree is deep, about log2(n_clusters) where
    it is balanced, and some splits (speculative ones) that are left out of the tree.
    A pass takes O(n_samples * n_features * depth) time.

    A cluster whose rows are all the same is never split. The weights of rows
    count in sums, inertia and draws; "largest_cluster" counts rows, as in
    scikit-learn.

    References
    ----------
    Steinbach, Karypis & Kumar, "A comparison of document clustering
    techniques", KDD Workshop on Text Mining, 2000, section 3.

    scikit-learn's user guide, "Bisecting K-Means" (section 2.3.2.3).

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm import BisectingKMeans
    >>> X = np.array([[1.0, 1], [2, 1], [10, 1], [11, 1], [30, 1], [31, 1]])
    >>> model = BisectingKMeans(n_clusters=3, random_state=0).fit(X)
    >>> sorted(model.cluster_centers_[:, 0].tolist())
    [1.5, 10.5, 30.5]
    >>> sorted(model.cluster_centers_[model.predict([[0.0, 0.0], [40.0, 2.0]]), 0].tolist())
    [1.5, 30.5]
    """

    algorithm_name = "bisecting"
    stored = (
        "tree_children", "tree_centers", "tree_inertia", "tree_sizes", "tree_labels", "n_rounds",
    )  # fmt: skip

    tree_children_: I32
    tree_centers_: F64
    tree_inertia_: F64
    tree_sizes_: I64
    tree_labels_: I32
    n_rounds_: int

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Literal["k-means++", "random"] = "random",
        n_init: int = 1,
        max_iter: int = 300,
        tol: float = 1e-4,
        bisecting_strategy: Literal["biggest_inertia", "largest_cluster"] = "biggest_inertia",
        random_state: Any = None,
        scale: Scale = "none",
        normalize: Normalize = None,
        columns: Columns = None,
        executor: str | Executor | None = None,
        memory_limit: int | str | None = None,
        run_dir: str | Path | None = None,
        checkpoint_every_s: float = 300.0,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.bisecting_strategy = bisecting_strategy
        self.random_state = random_state
        self.scale = scale
        self.normalize = normalize
        self.columns = columns
        self.executor = executor
        self.memory_limit = memory_limit
        self.run_dir = run_dir
        self.checkpoint_every_s = checkpoint_every_s

    def check_parameters(self) -> None:
        """Raise SourceError where a parameter is out of its range."""
        check_number(self, "checkpoint_every_s", is_positive=True)
        check_whole(self, "n_clusters", "n_init", "max_iter")
        check_number(self, "tol")
        check_choice(self, "init", INITS)
        check_choice(self, "bisecting_strategy", STRATEGIES)

    def model_values(self, rows: RowSource) -> int:
        """Return the numbers in both centers of all splits that may share a pass, and the tree."""
        return (2 + TREE_COPIES) * self.n_init * self.n_clusters * rows.shape[1]

    def held_bytes(self, rows: RowSource) -> int:
        """Return what all restarts of all splits hold beside the tasks."""
        return self.n_init * super().held_bytes(rows)

    def start(self, passes: Passes, seed: int) -> tuple[FitState, ...]:
        """Return the tree of one node."""
        return (KnownTree.of(passes.data.summary).state(),)

    def iterate(
        self, passes: Passes, states: tuple[FitState, ...], seed: int
    ) -> Iterator[tuple[FitState, ...]]:
        """Yield the tree, and the splits that run, after every pass."""
        parameters = SplitParameters(
            n_clusters=self.n_clusters,
            strategy=self.bisecting_strategy,
            starts=StartParameters(self.init, self.n_init, seed),
            max_iter=self.max_iter,
            tol=float(self.tol),
        )
        return split_rounds(passes, states, parameters)

    def finish(self, passes: Passes, states: tuple[FitState, ...]) -> Closed:
        """Return the tree of the splits that make `n_clusters` leaves."""
        known = KnownTree.from_state(states[0])
        tree = known.trimmed(known.in_order(self.bisecting_strategy, self.n_clusters - 1))
        leaves = tree.leaves()
        labels = np.full(len(tree.first), -1, np.int32)
        labels[leaves] = np.arange(len(leaves))
        children = np.where(tree.first[:, None] >= 0, tree.first[:, None] + [0, 1], -1)
        parts = {
            "tree_children": children.astype(np.int32),
            "tree_centers": tree.centers,
            "tree_inertia": tree.inertia,
            "tree_sizes": tree.counts,
            "tree_labels": labels,
            "n_rounds": n_rounds(passes.history),
        }
        counts = tree.counts[leaves]
        n_iter = int(tree.n_iter.sum())
        state = FitState(tree.centers[leaves], counts, n_iter, converged=True, extra=parts)
        return Closed(state, math.fsum(tree.inertia[leaves]), counts)

    @property
    def labeler_(self) -> ClusterTree:
        """The tree as the workers see it."""
        first = self.tree_children_[:, 0].astype(np.int64)
        return ClusterTree(first, self.tree_centers_, self.tree_labels_, self.frame_)

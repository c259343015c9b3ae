"""A tree of splits: every row walks from the root to the leaf that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamkm.kernels.assign import decide, distance_between, error_bound
from streamkm.kernels.centers import CenterArrays, prepare
from streamkm.kernels.compiled import compiled, compiled_making, compiled_reordered
from streamkm.kernels.frame import Frame, FrameArrays, square_of
from streamkm.kernels.seeding import distances
from streamkm.kernels.tile import readable, see_tile, tile_rows
from streamkm.typing import F32, F64, I32, I64, Rows


@dataclass(frozen=True, slots=True)
class ClusterTree:
    """Labels rows by walking a tree: at every node to the nearer of two centers.

    Parameters
    ----------
    first
        First child of each node, shape (n_nodes,); the second child is the
        next node; -1 at a leaf. Node 0 is the root, children follow parents.
    centers
        Center of each node, shape (n_nodes, n_features).
    labels
        Label of each leaf, shape (n_nodes,); -1 for one whose rows get no
        label, and at the other nodes.
    frame
        Where distances are measured from.

    Notes
    -----
    O(n_features * depth) time a row. Near-ties are decided in float64, and ties
    go to the first child, as in `kernels.assign`.
    """

    first: I64
    centers: F64
    labels: I32
    frame: Frame

    @property
    def n_clusters(self) -> int:
        """Number of labels."""
        return int(self.labels.max()) + 1

    def label(self, rows: Rows) -> I32:
        """Return labels alone, shape (n_rows,)."""
        return self._walk(rows, np.empty(0))

    def assign(self, rows: Rows) -> tuple[I32, F64]:
        """Return labels and the squared distances to the leaves' centers.

        Parameters
        ----------
        rows
            Shape (n_rows, n_features), any real dtype.

        Returns
        -------
        labels
            Shape (n_rows,); -1 where a row holds NaN or infinity.
        sq_dist
            Squared Euclidean, float64, shape (n_rows,); NaN for such a row.
        """
        sq_dist = np.empty(len(rows))
        return self._walk(rows, sq_dist), sq_dist

    def points(self, rows: Rows) -> Rows:
        """Return the rows themselves."""
        return rows

    @property
    def at_points(self) -> ClusterTree:
        """Itself."""
        return self

    def distances(self, rows: Rows) -> F64:
        """Euclidean distances to the leaves' centers, shape (n_rows, n_clusters)."""
        leaves = np.flatnonzero(self.labels >= 0)
        ordered = leaves[np.argsort(self.labels[leaves])]
        return np.sqrt(distances(rows, self.centers[ordered], self.frame.view)).T

    def _walk(self, rows: Rows, sq_dist: F64) -> I32:
        native, table = readable(rows)
        ready = prepare(self.centers, self.frame)
        labels = np.empty(len(rows), np.int32)
        _walk_block(
            native,
            table,
            self.frame.arrays(rows.dtype),
            ready.arrays,
            (self.first, self.labels),
            labels,
            sq_dist,
        )
        return labels


@compiled_making
def _walk_block(
    rows: Rows,
    table: F32 | None,
    frame: FrameArrays,
    centers: CenterArrays,
    tree: tuple[I64, I32],
    labels: I32,
    sq_dist: F64,
) -> None:  # pragma: no cover - compiled
    """Label a block; an empty `sq_dist` leaves the distances out."""
    shift, scale, view, _ = frame
    first, leaf_labels = tree
    n_rows, n_features = len(rows), len(shift)
    step = tile_rows(n_features, 2)
    tile = np.empty((step, n_features))
    framed = np.empty(n_features, np.float32)
    scores = np.empty(2, np.float32)
    for start in range(0, n_rows, step):
        n = min(step, n_rows - start)
        see_tile(rows, start, n, table, view, tile)
        for i in range(n):
            for j in range(n_features):
                framed[j] = np.float32((tile[i, j] - shift[j]) * scale)
            node = _walk_row(tile[i], framed, centers, first, scores)
            labels[start + i] = leaf_labels[node] if node >= 0 else -1
            if len(sq_dist):
                distance = distance_between(tile[i], centers[0][node]) if node >= 0 else np.nan
                if not distance < np.inf:  # a bad row that no split has met: the root is a leaf
                    labels[start + i], distance = -1, np.nan
                sq_dist[start + i] = distance


@compiled
def _walk_row(
    x: F64, framed: F32, centers: CenterArrays, first: I64, scores: F32
) -> int:  # pragma: no cover - compiled
    """Return the leaf of one row, or -1 where it holds NaN or infinity."""
    exact, doubled, norms, max_norm = centers[:4]
    size = np.sqrt(np.float64(square_of(framed)))
    bound = error_bound(size, len(framed), max_norm)
    node = 0
    while first[node] >= 0:
        left = first[node]
        right = left + 1
        a, b = _score_two(framed, doubled[left], doubled[right])
        scores[0], scores[1] = norms[left] + a, norms[right] + b
        side = decide(scores, bound, size, x, exact[left : right + 1])
        if side < 0:
            return -1
        node = left + side
    return node


@compiled_reordered
def _score_two(
    x: F32, p: F32, q: F32
) -> tuple[np.float32, np.float32]:  # pragma: no cover - compiled
    """Return two float32 dot products of one row."""
    a = b = np.float32(0.0)
    for j in range(len(x)):
        a += x[j] * p[j]
        b += x[j] * q[j]
    return a, b

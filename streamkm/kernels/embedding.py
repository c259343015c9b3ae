"""Rows embedded through their affinities to landmarks, and labeled there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamkm.kernels.affinity import Landmarks
from streamkm.kernels.compiled import compiled_making
from streamkm.kernels.frame import Frame
from streamkm.kernels.nearest import Nearest
from streamkm.typing import F32, F64, I32, Rows


@dataclass(frozen=True, slots=True)
class Embedding:
    """The map from rows to the leading eigenvectors of their graph.

    Parameters
    ----------
    landmarks
        What rows are compared with.
    projection
        What each landmark adds to a row, shape (n_landmarks, n_components).
    """

    landmarks: Landmarks
    projection: F64

    def embed(self, rows: Rows) -> F32:
        """Return embedded rows of unit length, shape (n_rows, n_components).

        NaN where a row holds NaN or infinity. A row's own scale (its degree)
        cancels in its length, so that a new row needs nothing but its affinities.
        """
        out = np.empty((len(rows), self.projection.shape[1]), np.float32)
        start = 0
        for piece, _ in self.landmarks.pieces(rows):
            index, values = self.landmarks.affinities(piece)
            _embed(index, values, self.projection, out[start : start + len(piece)])
            start += len(piece)
        return out


@dataclass(frozen=True, slots=True)
class EmbeddedNearest:
    """Labels rows with the nearest centers of their embedding.

    Parameters
    ----------
    embedding
        The map.
    centers
        Shape (n_clusters, n_components).
    """

    embedding: Embedding
    centers: F64

    @property
    def n_clusters(self) -> int:
        """Number of centers."""
        return len(self.centers)

    def points(self, rows: Rows) -> F32:
        """Return embedded rows."""
        return self.embedding.embed(rows)

    @property
    def at_points(self) -> Nearest:
        """What labels embedded rows."""
        # Rows have unit length; labels are the float64 reference's in any frame.
        return Nearest(self.centers, Frame(np.zeros(self.centers.shape[1]), 1.0))

    def assign(self, rows: Rows) -> tuple[I32, F64]:
        """Return labels and squared distances in the embedding."""
        return self.at_points.assign(self.points(rows))

    def distances(self, rows: Rows) -> F64:
        """Euclidean distances in the embedding, shape (n_rows, n_clusters)."""
        return self.at_points.distances(self.points(rows))


@compiled_making
def _embed(
    index: I32, values: F64, projection: F64, out: F32
) -> None:  # pragma: no cover - compiled
    point = np.empty(projection.shape[1])
    for i in range(len(values)):
        point[:] = 0.0
        for j in range(values.shape[1]):
            for c in range(len(point)):
                point[c] += values[i, j] * projection[index[i, j], c]
        square = 0.0
        for c in range(len(point)):
            square += point[c] * point[c]
        length = np.sqrt(square) if square > 0.0 else 1.0  # NaN is neither and stays
        for c in range(len(point)):
            out[i, c] = np.float32(point[c] / length)

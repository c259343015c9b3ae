"""The algorithms. `ALGORITHMS` is the complete list; the CLI and the contract tests follow it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from streamkm.cluster.base import Clusterer


@dataclass(frozen=True, slots=True)
class AlgorithmRow:
    """One algorithm: its name on the command line, its class, what it is in a line."""

    name: str
    target: str
    summary: str

    def load(self) -> type[Clusterer]:
        """Import the class."""
        module, _, name = self.target.partition(":")
        return cast("type[Clusterer]", getattr(importlib.import_module(module), name))


ALGORITHMS: Final = (
    AlgorithmRow(
        "kmeans",
        "streamkm.cluster.kmeans:KMeans",
        "Exact Lloyd: every pass reads all rows; restarts share the passes.",
    ),
    AlgorithmRow(
        "minibatch",
        "streamkm.cluster.minibatch:MiniBatchKMeans",
        "Mini-batches: small steps along the stream; a few times through the data, or less.",
    ),
    AlgorithmRow(
        "streamkm",
        "streamkm.cluster.streamkm:StreamKM",
        "One pass: k-means on a coreset, a few weighted rows that stand for all.",
    ),
    AlgorithmRow(
        "bisecting",
        "streamkm.cluster.bisecting:BisectingKMeans",
        "A tree of 2-means splits; the splits of one level share the passes.",
    ),
    AlgorithmRow(
        "spectral",
        "streamkm.cluster.spectral:SpectralClustering",
        "Shapes that k-means cannot part: a graph through landmarks, embedded, then k-means.",
    ),
)


def find_algorithm(name: str) -> AlgorithmRow:
    """Return the row of an algorithm.

    Raises
    ------
    KeyError
        If there is none of this name.
    """
    return {row.name: row for row in ALGORITHMS}[name]

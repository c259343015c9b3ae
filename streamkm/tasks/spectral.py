"""The passes of spectral clustering: sums of affinities, and the embedding written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamkm.data.output import Target
from streamkm.kernels.affinity import Landmarks, divide_by_degrees, divide_by_sums
from streamkm.kernels.embedding import Embedding
from streamkm.kernels.exact_sum import ExactSum
from streamkm.kernels.products import ProductSums, sum_values
from streamkm.tasks.base import PassResult, read_group, refuse_bad_values
from streamkm.typing import F64, I32, ColumnSource, Rows, RowSource


@dataclass(frozen=True, slots=True)
class AffinityContext:
    """Context of the passes that sum affinities.

    Parameters
    ----------
    source, weights
        Rows and their weights.
    landmarks
        What they are compared with.
    exponents
        Grid of the sums, shape (2, n_landmarks).
    pull
        Landmark by landmark, what makes a row's affinities its degree, shape
        (n_landmarks,); None where affinities are divided by their sum.
    floor
        The least degree.
    """

    source: RowSource
    weights: ColumnSource | None
    landmarks: Landmarks
    exponents: I32
    pull: F64 | None = None
    floor: float = 0.0

    @property
    def partial_bytes(self) -> int:
        """Bytes of one task's result."""
        return 16 * len(self.landmarks.points) ** 2


@dataclass(frozen=True, slots=True)
class EmbedContext:
    """Context of `embed`."""

    source: RowSource
    embedding: Embedding
    target: Target


def affinities(group: Any, context: AffinityContext) -> PassResult:
    """Sum of w z: the weight of each landmark."""
    found: list[ExactSum] = []

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        for piece, mass in context.landmarks.pieces(rows, weights):
            _, values = context.landmarks.affinities(piece, is_relative=False)
            part = sum_values(values, mass, context.exponents)
            found[:] = [ExactSum.merge_all([*found, part])]

    stats = read_group(group, context, consume)
    return PassResult((found[0],), stats)


def products(group: Any, context: AffinityContext) -> PassResult:
    """Sum of w z z^T: the graph as the landmarks see it."""
    sums = ProductSums(context.exponents)

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        for piece, mass in context.landmarks.pieces(rows, weights):
            index, values = context.landmarks.affinities(piece, is_relative=context.pull is None)
            if context.pull is None:
                divide_by_sums(values)
            else:
                divide_by_degrees(values, context.pull, context.floor)
            sums.add(index, values, mass)

    stats = read_group(group, context, consume)
    return PassResult((sums.result(),), stats)


def embed(group: Any, context: EmbedContext) -> PassResult:
    """Write the embedding of every row."""

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        refuse_bad_values(rows, start)
        context.target.write(start, context.embedding.embed(rows))

    return PassResult((), read_group(group, context, consume))

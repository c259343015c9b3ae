"""Rows and centers seen in a few dimensions, where no distance is longer than it is.

W are orthonormal directions near all centers, and x goes to (W'x, |x - WW'x|): what
of it lies in their span, and the length of the rest. No two points come further
apart by that (the triangle inequality for the rests), so that a center too far
away there is too far away. Centers lie close to a span of few dimensions, since
they are means of many rows: most rows need to be measured to no center but their own.

Bounds from a few numbers per row and center are those of Bottesch, Bühler and Kächele, "Speeding
up k-means by approximating Euclidean distances via block vectors", ICML 2016, who take
norms of blocks of features; the directions here are those of the centers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.centers import CenterArrays, Centers, prepare
from streamkm.kernels.compiled import compiled, compiled_reordered
from streamkm.kernels.dots import dot
from streamkm.kernels.frame import Frame
from streamkm.typing import F32, F64, I64

LEADING: Final = 512  # centers that directions are taken from: the cost goes with their number
STEPS: Final = 3  # of iteration: more find no directions that rule out more rows
RANK: Final = 1e-6  # of a row's length: what is left of it is rounding
SMALLEST: Final = 1e-140  # length whose square is a normal number

# What compiled code takes of a shadow: directions, centers there, their slack and drift.
ShadowArrays = tuple[F32, CenterArrays, float, F64]


@dataclass(frozen=True, slots=True)
class Subspace:
    """Directions near all centers of one pass.

    Parameters
    ----------
    directions
        Orthonormal, shape (n_directions, n_features); zeros where the centers span less.
    single
        The same in float32, an even number: zeros behind the last.
    """

    directions: F64
    single: F32

    @classmethod
    def near(cls, centers: Centers, n_directions: int) -> Subspace:
        """Return directions in which the centers are large, of LEADING centers at most.

        All that they span, or else about the largest: orthogonal iteration (Rutishauser,
        "Simultaneous iteration method for symmetric matrices", Numer. Math. 16, 1970).
        O(n_directions * n_features * (n_leading + n_directions)).
        """
        n_clusters = len(centers.exact)
        framed = _framed(centers, slice(None, None, -(-n_clusters // LEADING)))
        directions = np.zeros((n_directions, framed.shape[1]))
        directions[: len(framed)] = framed[:n_directions]
        n_steps = STEPS if n_directions < len(framed) else 0
        for _ in range(n_steps):
            _orthonormalize(directions)
            directions = _product(_product(directions, framed), framed.T.copy())
        _orthonormalize(directions)
        single = np.zeros((n_directions + n_directions % 2, framed.shape[1]), np.float32)
        single[:n_directions] = directions
        return cls(directions, single)


@dataclass(frozen=True, slots=True)
class Shadow:
    """The centers of a pass in a subspace, ready for the kernels.

    Parameters
    ----------
    subspace
        Where rows are seen, too.
    centers
        Of n_directions + 1 features.
    slack
        What rounding may add to a center's distance to any row there.
    drift
        How far each center has moved where the subspace does not show it, in all passes, shape
        (n_clusters,).
    """

    subspace: Subspace
    centers: Centers
    slack: float
    drift: F64

    @classmethod
    def of(cls, subspace: Subspace, centers: Centers, since: tuple[Shadow, F64] | None) -> Shadow:
        """Return the centers of a pass as they are seen in a subspace.

        Parameters
        ----------
        subspace, centers
            Where, and what.
        since
            The shadow of the pass before, and by how much the centers have moved since; None
            where it was in another subspace.
        """
        n_clusters, n_features = centers.exact.shape
        # What is left of squares that cancel is as wrong as they were rounded.
        rounding = 4.0 * np.sqrt(n_features * 2.0**-53)
        if since is None:
            seen, drift = _seen(subspace, centers, np.arange(n_clusters)), np.zeros(n_clusters)
        else:
            before, steps = since
            seen, drift = before.centers.exact.copy(), before.drift.copy()
            which = np.flatnonzero(steps)  # most centers stand still in most passes
            seen[which] = _seen(subspace, centers, which)
            visible = ((seen - before.centers.exact)[which, :-1] ** 2).sum(axis=1)
            moved = steps[which]
            drift[which] += np.sqrt(np.maximum(moved**2 - visible, 0.0))
            drift[which] += rounding * (moved + centers.max_norm * 2.0**-18)
        order = centers.slots[:n_clusters].astype(np.int64)
        ready = prepare(seen, Frame(np.zeros(seen.shape[1]), 1.0), order)
        return cls(subspace, ready, float(rounding * centers.max_norm + 1e-30), drift)

    @property
    def arrays(self) -> ShadowArrays:
        """Return it as compiled code takes it."""
        return self.subspace.single, self.centers.arrays, self.slack, self.drift


def seen_moves(subspace: Subspace, centers: Centers, before: F64) -> F64:
    """Return by what centers have moved within the span, shape (n_clusters, n_directions)."""
    return _product((centers.exact - before) * centers.frame.scale, subspace.directions)


def _framed(centers: Centers, which: I64 | slice) -> F64:
    frame = centers.frame
    return np.asarray((centers.exact[which] - frame.shift) * frame.scale)


def _seen(subspace: Subspace, centers: Centers, which: I64) -> F64:
    """Return some centers as they are seen: within the span, and the length of the rest."""
    framed = _framed(centers, which)
    inside = _product(framed, subspace.directions)
    rest = np.einsum("ij,ij->i", framed, framed) - np.einsum("ij,ij->i", inside, inside)
    return np.column_stack([inside, np.sqrt(np.maximum(rest, 0.0))])


def _product(left: F64, right: F64) -> F64:
    """Return left @ right.T."""
    out = np.empty((len(left), len(right)))
    _multiply(left, right, out)
    return out


@compiled
def _orthonormalize(rows: F64) -> None:  # pragma: no cover - compiled
    """Make rows orthonormal, in place (Gram and Schmidt, twice); zeros for one in others' span."""
    for i in range(len(rows)):
        row = rows[i]
        size = np.sqrt(dot(row, row))
        left = size
        for _ in range(2):
            for k in range(i):
                _take_off(row, rows[k], dot(row, rows[k]))
            left = np.sqrt(dot(row, row))
        has_own = left > max(RANK * size, SMALLEST)
        for j in range(len(row)):
            row[j] = row[j] / left if has_own else 0.0


@compiled
def _take_off(x: F64, y: F64, times: float) -> None:  # pragma: no cover - compiled
    for j in range(len(x)):
        x[j] -= times * y[j]


@compiled_reordered
def _multiply(left: F64, right: F64, out: F64) -> None:  # pragma: no cover - compiled
    """Fill left @ right.T: no BLAS, whose threads would spin into the pass that follows."""
    n, m = len(left), len(right)
    for i in range(0, n, 2):
        i1 = min(i + 1, n - 1)
        for k in range(0, m, 2):
            k1 = min(k + 1, m - 1)
            x, y, p, q = left[i], left[i1], right[k], right[k1]
            a = b = c = d = 0.0
            for j in range(len(x)):
                a += x[j] * p[j]
                b += x[j] * q[j]
                c += y[j] * p[j]
                d += y[j] * q[j]
            out[i, k], out[i, k1], out[i1, k], out[i1, k1] = a, b, c, d

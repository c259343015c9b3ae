"""Float32 scores of framed rows against all centers, one number for each pair."""

from __future__ import annotations

import numpy as np

from streamkm.kernels.compiled import compiled_reordered
from streamkm.typing import F32


@compiled_reordered
def score_row(x: F32, doubled: F32, norms: F32, scores: F32) -> None:  # pragma: no cover - compiled
    """Fill the float32 scores of one row."""
    for k in range(len(norms)):
        total = np.float32(0.0)
        for j in range(doubled.shape[1]):
            total += x[j] * doubled[k, j]
        scores[k] = norms[k] + total


@compiled_reordered
def score_panel(x: F32, panel: F32, norms: F32, scores: F32) -> None:  # pragma: no cover - compiled
    """Fill the float32 scores of one row against a panel of centers."""
    n_features = len(panel)
    for k in range(len(norms)):
        scores[k] = norms[k]
    for j in range(n_features // 4):  # four features: so often less are the sums read and written
        x0, x1, x2, x3 = x[4 * j], x[4 * j + 1], x[4 * j + 2], x[4 * j + 3]
        p0, p1, p2, p3 = panel[4 * j], panel[4 * j + 1], panel[4 * j + 2], panel[4 * j + 3]
        for k in range(len(norms)):
            scores[k] += (x0 * p0[k] + x1 * p1[k]) + (x2 * p2[k] + x3 * p3[k])
    for j in range(n_features // 4 * 4, n_features):
        for k in range(len(norms)):
            scores[k] += x[j] * panel[j, k]


@compiled_reordered
def score_tile(
    framed: F32, n: int, doubled: F32, norms: F32, scores: F32
) -> None:  # pragma: no cover - compiled
    """Fill float32 scores in register blocks of four rows by three centers."""
    n_clusters, d = doubled.shape
    for i in range(0, n, 4):
        x0, x1, x2, x3 = framed[i], framed[i + 1], framed[i + 2], framed[i + 3]
        k = 0
        while k + 3 <= n_clusters:
            p, q, r = doubled[k], doubled[k + 1], doubled[k + 2]
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = np.float32(0.0)
            for j in range(d):
                a0 += x0[j] * p[j]
                a1 += x1[j] * p[j]
                a2 += x2[j] * p[j]
                a3 += x3[j] * p[j]
                b0 += x0[j] * q[j]
                b1 += x1[j] * q[j]
                b2 += x2[j] * q[j]
                b3 += x3[j] * q[j]
                c0 += x0[j] * r[j]
                c1 += x1[j] * r[j]
                c2 += x2[j] * r[j]
                c3 += x3[j] * r[j]
            m0, m1, m2 = norms[k], norms[k + 1], norms[k + 2]
            scores[i, k], scores[i, k + 1], scores[i, k + 2] = m0 + a0, m1 + b0, m2 + c0
            scores[i + 1, k], scores[i + 1, k + 1], scores[i + 1, k + 2] = m0 + a1, m1 + b1, m2 + c1
            scores[i + 2, k], scores[i + 2, k + 1], scores[i + 2, k + 2] = m0 + a2, m1 + b2, m2 + c2
            scores[i + 3, k], scores[i + 3, k + 1], scores[i + 3, k + 2] = m0 + a3, m1 + b3, m2 + c3
            k += 3
        while k < n_clusters:
            p = doubled[k]
            a0 = a1 = a2 = a3 = np.float32(0.0)
            for j in range(d):
                a0 += x0[j] * p[j]
                a1 += x1[j] * p[j]
                a2 += x2[j] * p[j]
                a3 += x3[j] * p[j]
            m0 = norms[k]
            scores[i, k], scores[i + 1, k] = m0 + a0, m0 + a1
            scores[i + 2, k], scores[i + 3, k] = m0 + a2, m0 + a3
            k += 1

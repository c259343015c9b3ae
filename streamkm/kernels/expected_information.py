"""The mutual information that two labelings share by chance."""

from __future__ import annotations

import math
from typing import Final

from streamkm.kernels.compiled import compiled
from streamkm.typing import I64

NEGLIGIBLE: Final = 1e-30  # of the mode's probability: what is left out is less than 1e-24


@compiled
def expected_information(sizes: I64, others: I64) -> float:  # pragma: no cover - compiled
    """Return the expected mutual information, in nats, of labelings with these sizes.

    Parameters
    ----------
    sizes, others
        Rows of each label of the one labeling and of the other, none zero.

    Notes
    -----
    Under the permutation model the rows that label i shares with label j are
    hypergeometric. Its probabilities are taken by their ratios, outwards from the
    mode, and divided by their sum: no factorial of the number of rows loses digits,
    and a pair takes O(sqrt(rows)) steps, not O(rows).

    References
    ----------
    Vinh, Epps & Bailey, "Information theoretic measures for clusterings
    comparison", JMLR 11, 2010, equation (24a).
    """
    n_rows = sizes.sum()
    total = 0.0
    for i in range(len(sizes)):
        for j in range(len(others)):
            total += _shared_by_chance(int(sizes[i]), int(others[j]), n_rows)
    return total


@compiled
def _shared_by_chance(a: int, b: int, n: int) -> float:  # pragma: no cover - compiled
    """Return the expected x / n * log(n x / (a b)) of a hypergeometric x."""
    mode = int((a + 1.0) * (b + 1.0) / (n + 2.0))
    mode = max(min(mode, a, b), 0, a + b - n)
    mean = float(a) * float(b) / n
    mass = 0.0
    found = 0.0
    for step in (1, -1):
        x = mode
        probability = 1.0
        if step < 0:
            probability, x = _next(probability, x, -1, a, b, n)
        while probability > NEGLIGIBLE:
            mass += probability
            if x > 0:
                found += probability * (x / n) * math.log1p((x - mean) / mean)
            probability, x = _next(probability, x, step, a, b, n)
    return found / mass


@compiled
def _next(
    probability: float, x: int, step: int, a: int, b: int, n: int
) -> tuple[float, int]:  # pragma: no cover - compiled
    """Return the probability of x + step, from that of x; zero where there is none."""
    if step > 0:
        ratio = (a - x) * float(b - x) / ((x + 1.0) * (n - a - b + x + 1.0))
    else:
        ratio = x * float(n - a - b + x) / ((a - x + 1.0) * (b - x + 1.0))
    return probability * ratio, x + step

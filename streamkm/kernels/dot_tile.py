"""The dot tile: float32 scores of four wide rows against few centers, lanes along the features.

Rows and centers are read as they lie; a step across lanes comes once for
each pair of them, behind all features, where it costs little.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from streamkm.kernels.register_tile import F32_TYPE, I64_TYPE, LANES, Lanes, whole

DOT_ROWS: Final = 4
DOT_CENTERS: Final = 3 if LANES == 8 else 5  # sums, rows and centers stay in registers
SIZES: Final = (0, 2, 3) if LANES == 8 else (0, 3, 5)  # of tiles: each costs time to compile

FLOATS = F32_TYPE.as_pointer()


@intrinsic  # type: ignore[untyped-decorator]
def score_dots(
    context: Any, rows: Any, centers: Any, norms: Any, n_features: Any, n_centers: Any,
    scores: Any, stride: Any,
) -> Any:  # fmt: skip
    """Fill the scores of DOT_ROWS rows against a few centers.

    Its arguments, all int64: the addresses of tables of the rows' and of the
    centers' addresses, and of the centers' norms, n_features, n_centers of 1 to
    DOT_CENTERS, the address of the scores, and how far those of a center are
    from those of the next.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = Lanes(builder, LANES)
        sums = cgutils.alloca_once(builder, v.floats, whole(DOT_ROWS * DOT_CENTERS))
        n_centers = arguments[4]
        for less, n in pairwise(SIZES):
            is_more = builder.icmp_signed(">", n_centers, whole(less))
            fits = builder.icmp_signed("<=", n_centers, whole(n))
            with builder.if_then(builder.and_(is_more, fits)):
                _sum_products(v, n, arguments, sums)
        _add_up(v, arguments, sums)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), generate


def _sum_products(v: Lanes, n_centers: int, arguments: Any, sums: Any) -> None:
    """Fill each pair's sums of products, a lane every so many features.

    A tile that is not full takes its last center several times.
    """
    b = v.b
    rows, centers, _, n_features, n_given = arguments[:5]
    last = b.sub(n_given, whole(1))
    x = [_listed(v, rows, whole(r)) for r in range(DOT_ROWS)]
    chosen = [
        b.select(b.icmp_signed("<", last, whole(k)), last, whole(k)) for k in range(n_centers)
    ]
    p = [_listed(v, centers, k) for k in chosen]
    pairs = [(r, k) for r in range(DOT_ROWS) for k in range(n_centers)]
    totals = {pair: cgutils.alloca_once_value(b, v.zeros) for pair in pairs}
    with cgutils.for_range(b, b.sdiv(n_features, whole(LANES))) as loop:
        place = b.mul(loop.index, whole(LANES))
        values = [v.load(v.at(center, place), v.floats) for center in p]
        for r in range(DOT_ROWS):
            row = v.load(v.at(x[r], place), v.floats)
            for k, value in enumerate(values):
                b.store(v.multiply_add(row, value, b.load(totals[r, k])), totals[r, k])
    for r, k in pairs:
        b.store(b.load(totals[r, k]), v.at(sums, whole(r * DOT_CENTERS + k)))


def _add_up(v: Lanes, arguments: Any, sums: Any) -> None:
    """Add each pair's lanes, the features behind the last whole vector, and the norm."""
    b = v.b
    rows, centers, norms, n_features, n_centers, scores, stride = arguments
    ends, out = b.inttoptr(norms, FLOATS), b.inttoptr(scores, FLOATS)
    done = b.mul(b.sdiv(n_features, whole(LANES)), whole(LANES))
    score = cgutils.alloca_once(b, F32_TYPE)
    with cgutils.for_range(b, whole(DOT_ROWS)) as row, cgutils.for_range(b, n_centers) as center:
        r, k = row.index, center.index
        pair = v.at(sums, b.add(b.mul(r, whole(DOT_CENTERS)), k))
        b.store(v.total(b.load(pair)), score)
        x, p = _listed(v, rows, r), _listed(v, centers, k)
        with cgutils.for_range(b, b.sub(n_features, done)) as rest:
            place = b.add(done, rest.index)
            product = b.fmul(b.load(v.at(x, place)), b.load(v.at(p, place)))
            b.store(b.fadd(b.load(score), product), score)
        b.store(b.fadd(b.load(score), b.load(v.at(ends, k))), v.at(out, b.mul(stride, k), r))


def _listed(v: Lanes, table: Any, i: Any) -> Any:
    """Return a pointer of a table of addresses."""
    places = v.b.inttoptr(table, I64_TYPE.as_pointer())
    return v.b.inttoptr(v.b.load(v.at(places, i)), FLOATS)

"""The dot tile: float32 scores of four wide rows against few centers, lanes along the features.

Rows and centers are read as they lie; a step across lanes comes once for
each pair of them, behind all features, where it costs little.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from streamkm.kernels.register_tile import F32_TYPE, I64_TYPE, LANES, Lanes, whole

DOT_ROWS: Final = 4
DOT_CENTERS: Final = 3 if LANES == 8 else 5  # sums, rows and centers stay in registers

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
        for n in range(1, DOT_CENTERS + 1):
            with builder.if_then(builder.icmp_signed("==", arguments[4], whole(n))):
                _score_dots(Lanes(builder, LANES), n, arguments)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), generate


def _score_dots(v: Lanes, n_centers: int, arguments: Any) -> None:
    b = v.b
    rows, centers, norms, n_features, _, scores, stride = arguments
    x, p = _listed(v, rows, DOT_ROWS), _listed(v, centers, n_centers)
    ends, out = b.inttoptr(norms, FLOATS), b.inttoptr(scores, FLOATS)
    pairs = [(r, k) for r in range(DOT_ROWS) for k in range(n_centers)]
    zeros = ir.Constant(v.floats, [0.0] * LANES)
    sums = {pair: cgutils.alloca_once_value(b, zeros) for pair in pairs}
    n_blocks = b.sdiv(n_features, whole(LANES))
    with cgutils.for_range(b, n_blocks) as loop:
        place = b.mul(loop.index, whole(LANES))
        values = [v.load(v.at(center, place), v.floats) for center in p]
        for r in range(DOT_ROWS):
            row = v.load(v.at(x[r], place), v.floats)
            for k, value in enumerate(values):
                b.store(v.multiply_add(row, value, b.load(sums[r, k])), sums[r, k])
    done = b.mul(n_blocks, whole(LANES))
    rest = {pair: cgutils.alloca_once_value(b, v.total(b.load(sums[pair]))) for pair in pairs}
    with cgutils.for_range(b, b.sub(n_features, done)) as loop:
        place = b.add(done, loop.index)
        for r, k in pairs:
            product = b.fmul(b.load(v.at(x[r], place)), b.load(v.at(p[k], place)))
            b.store(b.fadd(b.load(rest[r, k]), product), rest[r, k])
    for r, k in pairs:
        score = b.fadd(b.load(v.at(ends, whole(k))), b.load(rest[r, k]))
        b.store(score, v.at(out, b.mul(stride, whole(k)), whole(r)))


def _listed(v: Lanes, table: Any, n: int) -> list[Any]:
    """Return the pointers of a table of addresses."""
    b = v.b
    places = b.inttoptr(table, I64_TYPE.as_pointer())
    return [b.inttoptr(b.load(v.at(places, whole(i))), FLOATS) for i in range(n)]

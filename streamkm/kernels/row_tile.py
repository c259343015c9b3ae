"""The row tile: float32 scores of a few rows, a lane a row, against few centers.

Where rows are narrow, finding the best of a row's lanes of centers would cost
more than the scores. Here a lane is a row: its features are laid out in
columns, and the best two scores are found from center to center, without a step
across lanes. No center is padded: a panel is taken in parts of at most six.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from streamkm.kernels.register_tile import F32_TYPE, I32_TYPE, I64_TYPE, LANES, Lanes, whole

N_VECTORS: Final = 2
TILE_LANES: Final = N_VECTORS * LANES  # rows of a tile
MOST_CENTERS: Final = 6  # of a part: with two vectors of rows, twelve sums stay in registers
TURNED: Final = 8  # rows and features that are turned together

NUMBER_BYTES: Final = 4
LINE_BYTES: Final = 64

FLOATS = F32_TYPE.as_pointer()
BYTES = ir.IntType(8).as_pointer()
HINTS = tuple(ir.Constant(I32_TYPE, hint) for hint in (0, 3, 1))  # to read, to keep, of data


@intrinsic  # type: ignore[untyped-decorator]
def lay_columns(context: Any, rows: Any, n_features: Any, columns: Any) -> Any:
    """Lay the features of TILE_LANES rows out in columns, shape (n_features, TILE_LANES).

    Its arguments, all int64: the address of a table of the rows' addresses,
    n_features, and the address of the columns.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _lay(Lanes(builder, TURNED), arguments)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), generate


def _lay(v: Lanes, arguments: Any) -> None:
    b = v.b
    rows, n_features, columns = arguments
    table, out = b.inttoptr(rows, I64_TYPE.as_pointer()), b.inttoptr(columns, FLOATS)
    n_blocks = b.sdiv(n_features, whole(TURNED))
    done = b.mul(n_blocks, whole(TURNED))
    with cgutils.for_range(b, whole(N_VECTORS)) as vector:
        first = b.mul(vector.index, whole(LANES))
        row = [b.inttoptr(b.load(v.at(table, first, whole(r))), FLOATS) for r in range(LANES)]
        with cgutils.for_range(b, n_blocks) as loop:
            feature = b.mul(loop.index, whole(TURNED))
            parts = [
                _turned(v, [v.load(v.at(p, feature), v.floats) for p in row[s : s + TURNED]])
                for s in range(0, LANES, TURNED)
            ]
            for j, pieces in enumerate(zip(*parts, strict=True)):
                place = b.mul(b.add(feature, whole(j)), whole(TILE_LANES))
                v.store(v.joined(pieces), v.at(out, place, first))  # whole, as it is loaded again
        with cgutils.for_range(b, b.sub(n_features, done)) as loop:
            feature = b.add(done, loop.index)
            place = v.at(out, b.mul(feature, whole(TILE_LANES)), first)
            for r in range(LANES):
                b.store(b.load(v.at(row[r], feature)), v.at(place, whole(r)))


@intrinsic  # type: ignore[untyped-decorator]
def frame_columns(
    context: Any, columns: Any, n_features: Any, shift: Any, factor: Any, squares: Any,
    ahead: Any,
) -> Any:  # fmt: skip
    """Frame rows that lie in columns, in place, and take their squared lengths.

    Its arguments, all int64 but for the factor in float32: the addresses of the columns
    (n_features, TILE_LANES), n_features, the address of the shift in float32, the factor,
    the address of the squares (TILE_LANES,), and where as many rows lie that are wanted next:
    a processor that is asked for them meanwhile need not wait for them then.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _frame_columns(Lanes(builder, LANES), arguments)
        return context.get_dummy_value()

    numbers = [types.int64] * 3
    return types.void(*numbers, types.float32, types.int64, types.int64), generate


def _frame_columns(v: Lanes, arguments: Any) -> None:
    b = v.b
    columns, n_features, shift, factor, squares, ahead = arguments
    kind = ir.FunctionType(ir.VoidType(), [BYTES, *(hint.type for hint in HINTS)])
    ask = cgutils.get_or_insert_function(b.module, kind, "llvm.prefetch.p0")
    x, shifts, out = (b.inttoptr(address, FLOATS) for address in (columns, shift, squares))
    factors = v.spread(factor, v.floats)
    offsets = [whole(i * LANES) for i in range(N_VECTORS)]
    totals = [cgutils.alloca_once_value(b, v.zeros) for _ in offsets]
    with cgutils.for_range(b, n_features) as loop:
        column = v.at(x, b.mul(loop.index, whole(TILE_LANES)))
        away = v.spread(b.load(v.at(shifts, loop.index)), v.floats)
        for line in range(TILE_LANES * NUMBER_BYTES // LINE_BYTES):
            place = b.add(b.mul(loop.index, whole(TILE_LANES * NUMBER_BYTES)), ahead)
            place = b.add(place, whole(line * LINE_BYTES))
            b.call(ask, [b.inttoptr(place, BYTES), *HINTS])
        for offset, total in zip(offsets, totals, strict=True):
            place = v.at(column, offset)
            value = b.fmul(b.fsub(v.load(place, v.floats), away), factors)
            v.store(value, place)
            b.store(v.multiply_add(value, value, b.load(total)), total)
    for offset, total in zip(offsets, totals, strict=True):
        v.store(b.load(total), v.at(out, offset))


def _turned(v: Lanes, square: list[Any]) -> list[Any]:
    """Return the columns of a square of vectors: lanes are exchanged by halves, three times."""
    half = TURNED // 2
    while half:
        after: list[Any] = list(square)
        for i in range(TURNED):
            if not i & half:
                low, high = square[i], square[i | half]
                kept = [lane if not lane & half else lane - half + TURNED for lane in range(TURNED)]
                other = [
                    lane + half if not lane & half else lane + TURNED for lane in range(TURNED)
                ]
                after[i] = v.shuffled(low, high, kept)
                after[i | half] = v.shuffled(low, high, other)
        square, half = after, half // 2
    return square


@intrinsic  # type: ignore[untyped-decorator]
def score_columns(
    context: Any, columns: Any, panel: Any, norms: Any, width: Any, n_features: Any,
    n_centers: Any, scores: Any,
) -> Any:  # fmt: skip
    """Fill the scores of TILE_LANES rows against a few centers.

    Its arguments, all int64: the addresses of the columns (n_features,
    TILE_LANES), of the panel's first of these centers and of its norm, the
    panel's width, n_features, n_centers of 1 to MOST_CENTERS, and the address of
    the scores, (n_centers, TILE_LANES).
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        for n in range(1, MOST_CENTERS + 1):
            with builder.if_then(builder.icmp_signed("==", arguments[5], whole(n))):
                _score_columns(Lanes(builder, LANES), n, arguments)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), generate


def _score_columns(v: Lanes, n_centers: int, arguments: Any) -> None:
    b = v.b
    columns, panel, norms, width, n_features, _, scores = arguments
    x, p, out = (b.inttoptr(address, FLOATS) for address in (columns, panel, scores))
    ends = b.inttoptr(norms, FLOATS)
    offsets = [whole(i * LANES) for i in range(N_VECTORS)]
    sums = [[cgutils.alloca_once_value(b, v.zeros) for _ in offsets] for _ in range(n_centers)]
    with cgutils.for_range(b, n_features) as loop:
        column = v.at(x, b.mul(loop.index, whole(TILE_LANES)))
        center = v.at(p, b.mul(loop.index, width))
        values = [v.load(v.at(column, offset), v.floats) for offset in offsets]
        for k in range(n_centers):
            factor = v.spread(b.load(v.at(center, whole(k))), v.floats)
            for value, total in zip(values, sums[k], strict=True):
                b.store(v.multiply_add(value, factor, b.load(total)), total)
    for k, totals in enumerate(sums):
        norm = v.spread(b.load(v.at(ends, whole(k))), v.floats)  # last: see `register_tile`
        for offset, total in zip(offsets, totals, strict=True):
            v.store(b.fadd(b.load(total), norm), v.at(out, whole(k * TILE_LANES), offset))


@intrinsic  # type: ignore[untyped-decorator]
def find_best(
    context: Any, scores: Any, n_centers: Any, first: Any, low: Any, next_low: Any, index: Any
) -> Any:
    """Find the best two scores of TILE_LANES rows, and the first center that has the best.

    Its arguments, all int64: the address of the scores (n_centers, TILE_LANES),
    n_centers, the number of the first, and the addresses of the results,
    (TILE_LANES,) each.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _find_best(Lanes(builder, LANES), arguments)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate


def _find_best(v: Lanes, arguments: Any) -> None:
    b = v.b
    x = b.inttoptr(arguments[0], FLOATS)
    kinds = (FLOATS, FLOATS, I32_TYPE.as_pointer())
    places = [b.inttoptr(a, kind) for a, kind in zip(arguments[3:], kinds, strict=True)]
    huge = ir.Constant(v.floats, [float.fromhex("0x1.fffffep+127")] * LANES)
    begins = (huge, huge, ir.Constant(v.ints, [0] * LANES))
    found = [[cgutils.alloca_once_value(b, one) for one in begins] for _ in range(N_VECTORS)]
    with cgutils.for_range(b, arguments[1]) as loop:
        center = v.spread(b.trunc(b.add(arguments[2], loop.index), I32_TYPE), v.ints)
        row = v.at(x, b.mul(loop.index, whole(TILE_LANES)))
        for i, three in enumerate(found):
            score = v.load(v.at(row, whole(i * LANES)), v.floats)
            best, second, index = (b.load(one) for one in three)
            is_best = b.fcmp_ordered("<", score, best)
            worse = b.select(is_best, best, score)
            b.store(b.select(b.fcmp_ordered("<", worse, second), worse, second), three[1])
            b.store(b.select(is_best, score, best), three[0])
            b.store(b.select(is_best, center, index), three[2])
    for i, three in enumerate(found):
        for one, place in zip(three, places, strict=True):
            v.store(b.load(one), v.at(place, whole(i * LANES)))

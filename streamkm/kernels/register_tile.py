"""The register tile: float32 scores of a few rows against a panel of centers.

A score is norm + sum_l x_l * p_l. Plain loops leave the accumulators in memory;
here they are LLVM vectors, one lane a center, that stay in registers over all
features: six rows times two vectors, or twelve times one. Every platform that
LLVM knows compiles this; where it has no multiply-add, it multiplies and adds.
Behind the sums, each lane keeps its best score, the center it belongs to, and
its second best.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES: Final = 16 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 8
WIDTH: Final = 16  # centers of a panel
NARROW_WIDTH: Final = 8  # of the only panel that few centers need
TILE_ROWS: Final = 12  # rows of a tile are a multiple of both shapes'
UNROLLED: Final = 4

F32_TYPE, I32_TYPE, I64_TYPE = ir.FloatType(), ir.IntType(32), ir.IntType(64)


class Lanes:
    """The few primitives: vectors of `n_lanes` numbers, loaded, spread, multiplied, stored."""

    def __init__(self, builder: Any, n_lanes: int) -> None:
        self.b, self.n = builder, n_lanes
        self.floats = ir.VectorType(F32_TYPE, n_lanes)
        self.ints = ir.VectorType(I32_TYPE, n_lanes)

    def at(self, pointer: Any, *offsets: Any) -> Any:
        """Return a pointer some elements further on."""
        for offset in offsets:
            pointer = self.b.gep(pointer, [offset])
        return pointer

    def load(self, pointer: Any, kind: Any) -> Any:
        """Load a vector from memory that is aligned to four bytes."""
        value = self.b.load(self.b.bitcast(pointer, kind.as_pointer()))
        value.align = 4
        return value

    def store(self, vector: Any, pointer: Any) -> None:
        """Store a vector there."""
        self.b.store(vector, self.b.bitcast(pointer, vector.type.as_pointer())).align = 4

    def spread(self, number: Any, kind: Any) -> Any:
        """Return a vector that holds one number in every lane."""
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.b.insert_element(undefined, number, ir.Constant(I32_TYPE, 0))
        lanes = ir.Constant(ir.VectorType(I32_TYPE, self.n), [0] * self.n)
        return self.b.shuffle_vector(first, undefined, lanes)

    def least(self, vector: Any) -> Any:
        """Return the smallest of all lanes; none may be NaN."""
        while vector.type.count > 1:
            half = vector.type.count // 2
            undefined = ir.Constant(vector.type, ir.Undefined)
            kind = ir.VectorType(I32_TYPE, half)
            low = self.b.shuffle_vector(vector, undefined, ir.Constant(kind, list(range(half))))
            high = self.b.shuffle_vector(
                vector, undefined, ir.Constant(kind, list(range(half, 2 * half)))
            )
            is_float = vector.type.element == F32_TYPE
            compare = self.b.fcmp_ordered if is_float else self.b.icmp_signed
            vector = self.b.select(compare("<", low, high), low, high)
        return self.b.extract_element(vector, ir.Constant(I32_TYPE, 0))

    def multiply_add(self, x: Any, y: Any, total: Any) -> Any:
        """Return x * y + total, in one rounding where the machine can."""
        product = self.b.fmul(x, y, flags=("contract",))
        return self.b.fadd(product, total, flags=("contract",))


def _make(n_rows: int, width: int) -> Callable[..., None]:
    """Return the tile of `n_rows` rows by `width` centers.

    Its arguments, all int64: the address of a table of the rows' addresses,
    (n_rows,), those of the panel (n_features, width) and of its norms (width,),
    n_features, the number of its first center, and the addresses of best,
    second and index, each (n_rows, LANES).
    """
    n_lanes = min(LANES, width)
    n_vectors = width // n_lanes

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        context: Any, rows: Any, panel: Any, norms: Any, n_features: Any,
        first: Any, best: Any, second: Any, index: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _generate(Lanes(builder, n_lanes), n_rows, n_vectors, arguments)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 8), generate

    return tile  # type: ignore[no-any-return]


def _generate(v: Lanes, n_rows: int, n_vectors: int, arguments: Any) -> None:
    rows, panel, norms, n_features, first, best, second, index = arguments
    b = v.b
    floats = F32_TYPE.as_pointer()
    panel, norms = b.inttoptr(panel, floats), b.inttoptr(norms, floats)
    table = b.inttoptr(rows, I64_TYPE.as_pointer())
    vectors = [_whole(i * v.n) for i in range(n_vectors)]
    starts = [v.load(v.at(norms, offset), v.floats) for offset in vectors]
    sums = [[cgutils.alloca_once_value(b, start) for start in starts] for _ in range(n_rows)]
    row = [b.inttoptr(b.load(v.at(table, _whole(r))), floats) for r in range(n_rows)]
    width = _whole(v.n * n_vectors)

    def add_feature(feature: Any) -> None:
        place = v.at(panel, b.mul(feature, width))
        centers = [v.load(v.at(place, offset), v.floats) for offset in vectors]
        for r in range(n_rows):
            x = v.spread(b.load(v.at(row[r], feature)), v.floats)
            for center, total in zip(centers, sums[r], strict=True):
                b.store(v.multiply_add(x, center, b.load(total)), total)

    with cgutils.for_range(b, b.sdiv(n_features, _whole(UNROLLED))) as loop:
        begin = b.mul(loop.index, _whole(UNROLLED))
        for step in range(UNROLLED):
            add_feature(b.add(begin, _whole(step)))
    done = b.mul(b.sdiv(n_features, _whole(UNROLLED)), _whole(UNROLLED))
    with cgutils.for_range(b, b.srem(n_features, _whole(UNROLLED))) as loop:
        add_feature(b.add(done, loop.index))
    places = b.inttoptr(best, floats), b.inttoptr(second, floats)
    _keep_best(v, sums, first, (*places, b.inttoptr(index, I32_TYPE.as_pointer())))


def _keep_best(v: Lanes, sums: list[list[Any]], first: Any, out: tuple[Any, Any, Any]) -> None:
    """Merge the scores of a panel into each lane's best two."""
    b = v.b
    numbers = v.spread(b.trunc(first, I32_TYPE), v.ints)
    centers = [
        b.add(numbers, ir.Constant(v.ints, [i * v.n + lane for lane in range(v.n)]))
        for i in range(len(sums[0]))
    ]
    for r, totals in enumerate(sums):
        best_at, second_at, index_at = (v.at(place, _whole(r * v.n)) for place in out)
        best, second = v.load(best_at, v.floats), v.load(second_at, v.floats)
        index = v.load(index_at, v.ints)
        for total, center in zip(totals, centers, strict=True):
            score = b.load(total)
            is_best = b.fcmp_ordered("<", score, best)
            worse = b.select(is_best, best, score)
            second = b.select(b.fcmp_ordered("<", worse, second), worse, second)
            best = b.select(is_best, score, best)
            index = b.select(is_best, center, index)
        v.store(best, best_at)
        v.store(second, second_at)
        v.store(index, index_at)


def _make_settle(n_lanes: int) -> Callable[..., None]:
    """Return what finds, for each row, the best two scores of all lanes.

    Its arguments, all int64: n_rows, the addresses of best, second and index,
    each (n_rows, n_lanes), and of the results: best score, second best and the
    best one's center, each (n_rows,).
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def settle(
        context: Any, n_rows: Any, best: Any, second: Any, index: Any,
        low: Any, next_low: Any, labels: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _settle(Lanes(builder, n_lanes), arguments)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 7), generate

    return settle  # type: ignore[no-any-return]


def _settle(v: Lanes, arguments: Any) -> None:
    b, floats, ints = v.b, F32_TYPE.as_pointer(), I32_TYPE.as_pointer()
    kinds = (floats, floats, ints) * 2
    best_at, second_at, index_at, low_at, next_at, label_at = (
        b.inttoptr(address, kind) for address, kind in zip(arguments[1:], kinds, strict=True)
    )
    with cgutils.for_range(b, arguments[0]) as loop:
        lane = b.mul(loop.index, _whole(v.n))
        best = v.load(v.at(best_at, lane), v.floats)
        low = v.least(best)
        is_low = b.fcmp_ordered("==", best, v.spread(low, v.floats))
        rest = b.select(is_low, v.load(v.at(second_at, lane), v.floats), best)
        largest = ir.Constant(v.ints, [(1 << 31) - 1] * v.n)
        label = v.least(b.select(is_low, v.load(v.at(index_at, lane), v.ints), largest))
        bits = b.bitcast(is_low, ir.IntType(v.n))
        is_tie = b.icmp_unsigned("!=", b.and_(bits, b.sub(bits, bits.type(1))), bits.type(0))
        b.store(low, v.at(low_at, loop.index))
        b.store(b.select(is_tie, low, v.least(rest)), v.at(next_at, loop.index))
        b.store(label, v.at(label_at, loop.index))


def _whole(value: int) -> Any:
    return ir.Constant(I64_TYPE, value)


WIDE_ROWS: Final = 6 if LANES == 8 else 12
NARROW_ROWS: Final = 12
wide_tile = _make(WIDE_ROWS, WIDTH)
narrow_tile = _make(NARROW_ROWS, NARROW_WIDTH)
settle_wide = _make_settle(LANES)
settle_narrow = _make_settle(NARROW_WIDTH)

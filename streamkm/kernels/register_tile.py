"""The register tile: float32 scores of a few rows against a panel of centers.

A score is norm + sum_l x_l * p_l. Plain loops leave the accumulators in memory;
here they are LLVM vectors, one lane a center, that stay in registers over all
features: six rows times two vectors, or twelve times one wide one. Every platform that
LLVM knows compiles this; where it has no multiply-add, it multiplies and adds.
Behind the sums, each lane keeps its best score, the center it belongs to, and
its second best.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES: Final = 16 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 8
WIDTH: Final = 16  # centers of a panel
N_ROWS: Final = 6 if LANES == 8 else 12
UNROLLED: Final = 4

F32_TYPE, I32_TYPE, I64_TYPE = ir.FloatType(), ir.IntType(32), ir.IntType(64)


def whole(value: int) -> Any:
    """Return a constant number."""
    return ir.Constant(I64_TYPE, value)


class Lanes:
    """The few primitives: vectors of `n_lanes` numbers, loaded, spread, multiplied, stored."""

    def __init__(self, builder: Any, n_lanes: int) -> None:
        self.b, self.n = builder, n_lanes
        self.floats = ir.VectorType(F32_TYPE, n_lanes)
        self.ints = ir.VectorType(I32_TYPE, n_lanes)
        self.zeros = ir.Constant(self.floats, [0.0] * n_lanes)

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

    def gathered(self, table: Any, places: Any) -> Any:
        """Return the numbers of a table that a vector of places names."""
        found = ir.Constant(ir.VectorType(table.type.pointee, self.n), ir.Undefined)
        for lane in range(self.n):
            i = ir.Constant(I32_TYPE, lane)
            number = self.b.load(self.at(table, self.b.extract_element(places, i)))
            found = self.b.insert_element(found, number, i)
        return found

    def shuffled(self, low: Any, high: Any, lanes: list[int]) -> Any:
        """Return lanes of two vectors; those of the second are counted on."""
        return self.b.shuffle_vector(low, high, ir.Constant(self.ints, lanes))

    def joined(self, pieces: Sequence[Any]) -> Any:
        """Return one vector of one or two."""
        if len(pieces) == 1:
            return pieces[0]
        lanes = ir.VectorType(I32_TYPE, 2 * self.n)
        return self.b.shuffle_vector(*pieces, ir.Constant(lanes, list(range(2 * self.n))))

    def total(self, vector: Any) -> Any:
        """Return the sum of all lanes."""
        while vector.type.count > 1:
            low, high = self.halves(vector)
            vector = self.b.fadd(low, high)
        return self.b.extract_element(vector, ir.Constant(I32_TYPE, 0))

    def halves(self, vector: Any) -> tuple[Any, Any]:
        """Return the two halves of a vector."""
        half = vector.type.count // 2
        kind, none = ir.VectorType(I32_TYPE, half), ir.Constant(vector.type, ir.Undefined)
        return (
            self.b.shuffle_vector(vector, none, ir.Constant(kind, list(range(half)))),
            self.b.shuffle_vector(vector, none, ir.Constant(kind, list(range(half, 2 * half)))),
        )

    def least(self, vector: Any) -> Any:
        """Return the smallest of all lanes; none may be NaN."""
        while vector.type.count > 1:
            low, high = self.halves(vector)
            is_float = vector.type.element == F32_TYPE
            compare = self.b.fcmp_ordered if is_float else self.b.icmp_signed
            vector = self.b.select(compare("<", low, high), low, high)
        return self.b.extract_element(vector, ir.Constant(I32_TYPE, 0))

    def multiply_add(self, x: Any, y: Any, total: Any) -> Any:
        """Return x * y + total, in one rounding where the machine can."""
        product = self.b.fmul(x, y, flags=("contract",))
        return self.b.fadd(product, total, flags=("contract",))


@intrinsic  # type: ignore[untyped-decorator]
def register_tile(
    context: Any, rows: Any, panel: Any, norms: Any, n_features: Any,
    first: Any, best: Any, second: Any, index: Any,
) -> Any:  # fmt: skip
    """Merge the scores of N_ROWS rows against a panel into each lane's best two.

    Its arguments, all int64: the address of a table of the rows' addresses,
    (N_ROWS,), those of the panel (n_features, WIDTH) and of its norms (WIDTH,),
    n_features, the number of its first center, and the addresses of best,
    second and index, each (N_ROWS, LANES).
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _generate(Lanes(builder, LANES), N_ROWS, WIDTH // LANES, arguments)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 8), generate


def _generate(v: Lanes, n_rows: int, n_vectors: int, arguments: Any) -> None:
    rows, panel, norms, n_features, first, best, second, index = arguments
    b = v.b
    floats = F32_TYPE.as_pointer()
    panel, norms = b.inttoptr(panel, floats), b.inttoptr(norms, floats)
    table = b.inttoptr(rows, I64_TYPE.as_pointer())
    vectors = [whole(i * v.n) for i in range(n_vectors)]
    sums = [[cgutils.alloca_once_value(b, v.zeros) for _ in vectors] for _ in range(n_rows)]
    row = [b.inttoptr(b.load(v.at(table, whole(r))), floats) for r in range(n_rows)]
    width = whole(v.n * n_vectors)

    def add_feature(feature: Any) -> None:
        place = v.at(panel, b.mul(feature, width))
        centers = [v.load(v.at(place, offset), v.floats) for offset in vectors]
        for r in range(n_rows):
            x = v.spread(b.load(v.at(row[r], feature)), v.floats)
            for center, total in zip(centers, sums[r], strict=True):
                b.store(v.multiply_add(x, center, b.load(total)), total)

    with cgutils.for_range(b, b.sdiv(n_features, whole(UNROLLED))) as loop:
        begin = b.mul(loop.index, whole(UNROLLED))
        for step in range(UNROLLED):
            add_feature(b.add(begin, whole(step)))
    done = b.mul(b.sdiv(n_features, whole(UNROLLED)), whole(UNROLLED))
    with cgutils.for_range(b, b.srem(n_features, whole(UNROLLED))) as loop:
        add_feature(b.add(done, loop.index))
    places = b.inttoptr(best, floats), b.inttoptr(second, floats)
    ends = [v.load(v.at(norms, offset), v.floats) for offset in vectors]
    _keep_best(v, sums, ends, first, (*places, b.inttoptr(index, I32_TYPE.as_pointer())))


def _keep_best(
    v: Lanes, sums: list[list[Any]], norms: list[Any], first: Any, out: tuple[Any, Any, Any]
) -> None:
    """Merge the scores of a panel into each lane's best two.

    The norm is added last: before, each addition would round by its size.
    """
    b = v.b
    numbers = v.spread(b.trunc(first, I32_TYPE), v.ints)
    centers = [
        b.add(numbers, ir.Constant(v.ints, [i * v.n + lane for lane in range(v.n)]))
        for i in range(len(sums[0]))
    ]
    for r, totals in enumerate(sums):
        best_at, second_at, index_at = (v.at(place, whole(r * v.n)) for place in out)
        best, second = v.load(best_at, v.floats), v.load(second_at, v.floats)
        index = v.load(index_at, v.ints)
        for total, norm, center in zip(totals, norms, centers, strict=True):
            score = b.fadd(b.load(total), norm)
            is_best = b.fcmp_ordered("<", score, best)
            worse = b.select(is_best, best, score)
            second = b.select(b.fcmp_ordered("<", worse, second), worse, second)
            best = b.select(is_best, score, best)
            index = b.select(is_best, center, index)
        v.store(best, best_at)
        v.store(second, second_at)
        v.store(index, index_at)


@intrinsic  # type: ignore[untyped-decorator]
def settle(
    context: Any, n_rows: Any, best: Any, second: Any, index: Any,
    low: Any, next_low: Any, labels: Any,
) -> Any:  # fmt: skip
    """Find, for each row, the best two scores of all lanes.

    Its arguments, all int64: n_rows, the addresses of best, second and index,
    each (n_rows, LANES), and of the results: best score, second best and the
    best one's center, each (n_rows,).
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _settle(Lanes(builder, LANES), arguments)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), generate


def _settle(v: Lanes, arguments: Any) -> None:
    b, floats, ints = v.b, F32_TYPE.as_pointer(), I32_TYPE.as_pointer()
    kinds = (floats, floats, ints) * 2
    best_at, second_at, index_at, low_at, next_at, label_at = (
        b.inttoptr(address, kind) for address, kind in zip(arguments[1:], kinds, strict=True)
    )
    with cgutils.for_range(b, arguments[0]) as loop:
        lane = b.mul(loop.index, whole(v.n))
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

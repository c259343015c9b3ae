"""Rows split on the grid of a sum and added to it, in LLVM vectors of float64.

The compiler would have to prove, row by row, that the sums do not lie where the
row or the constants do, which costs more than adding a narrow row. Each number is
added as plain code would: no order of additions changes.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from streamkm.kernels.register_tile import LANES, Lanes, whole

F64_TYPE: Final = ir.DoubleType()
N_LANES: Final = LANES // 2


@intrinsic  # type: ignore[untyped-decorator]
def add_split(
    context: Any, row: Any, constants: Any, next_limb: Any, n_features: Any, into: Any
) -> Any:
    """Add a row to a sum of two limbs.

    Its arguments, all int64: the addresses of the row, (n_features,), and of the
    rounding constants, (2, n_features); how many numbers there are from a
    limb of the sum to the next; n_features; and the address of the row's place
    in the first limb.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _generate(builder, arguments[:4], [(arguments[4], builder.fadd)])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), generate


@intrinsic  # type: ignore[untyped-decorator]
def move_split(
    context: Any, row: Any, constants: Any, next_limb: Any, n_features: Any, into: Any, out: Any
) -> Any:
    """Add a row to one place of a sum, and take it from another; arguments as of `add_split`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places = [(arguments[4], builder.fadd), (arguments[5], builder.fsub)]
        _generate(builder, arguments[:4], places)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate


def _generate(b: Any, arguments: Any, places: list[tuple[Any, Any]]) -> None:
    v = Lanes(b, N_LANES)
    row, constants, next_limb, n_features = arguments
    doubles = F64_TYPE.as_pointer()
    row, constants = b.inttoptr(row, doubles), b.inttoptr(constants, doubles)
    targets = [(b.inttoptr(address, doubles), add) for address, add in places]

    def add_at(feature: Any, kind: Any) -> None:
        value = v.load(v.at(row, feature), kind)
        high = v.load(v.at(constants, feature), kind)
        low = v.load(v.at(constants, n_features, feature), kind)
        top = b.fsub(b.fadd(value, high), high)
        rest = b.fsub(b.fadd(b.fsub(value, top), low), low)
        for place, add in targets:
            for part, offsets in ((top, (feature,)), (rest, (next_limb, feature))):
                at = v.at(place, *offsets)
                v.store(add(v.load(at, kind), part), at)

    n_whole = b.sdiv(n_features, whole(N_LANES))
    with cgutils.for_range(b, n_whole) as loop:
        add_at(b.mul(loop.index, whole(N_LANES)), ir.VectorType(F64_TYPE, N_LANES))
    done = b.mul(n_whole, whole(N_LANES))
    with cgutils.for_range(b, b.sub(n_features, done)) as loop:
        add_at(b.add(done, loop.index), F64_TYPE)

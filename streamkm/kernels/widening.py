"""Bounds widened by the moves of the centers, and the rows that they no longer hold for.

Every row of every pass comes through here, and most go no further. With one group of
centers rows are widened some at a time, a lane a row.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from streamkm.kernels.centers import LARGEST
from streamkm.kernels.compiled import ZERO, compiled, compiled_making
from streamkm.kernels.distance_bounds import DOWN, UP
from streamkm.kernels.motion import MotionArrays
from streamkm.kernels.register_tile import F32_TYPE, I32_TYPE, LANES, Lanes, whole
from streamkm.kernels.settle import RowArrays
from streamkm.typing import F32, I32, I64, U8

LESS: Final = np.float32(1.0) - DOWN
FLAGS: Final = 8  # rows that are passed over together where none of them is open


@compiled_making
def widened(
    is_first: bool, motion: MotionArrays, group_of: I32, known: RowArrays
) -> U8:  # pragma: no cover - compiled
    """Widen the bounds of all rows; return 1 for those that they no longer hold for, else 0.

    Their upper bound is not below the least lower bound, or half the distance from the own
    center to the next. In the first pass nothing is known of any row. Zeros behind the last
    row make the flags whole numbers of FLAGS.
    """
    labels = known[0]
    is_open = np.zeros((len(labels) + FLAGS - 1) // FLAGS * FLAGS, np.uint8)
    if is_first:
        labels[:], is_open[: len(labels)] = -1, 1
    else:
        _widen_all(motion, group_of, known, is_open)
    return is_open


@compiled
def _widen_all(
    motion: MotionArrays, group_of: I32, known: RowArrays, is_open: U8
) -> None:  # pragma: no cover - compiled
    own, most, others, half = motion
    labels, upper, lower = known
    n, n_groups, done = len(labels), lower.shape[1], ZERO
    if n_groups == 1:
        done = n // LANES * LANES
        widen_lanes(
            labels.ctypes.data, upper.ctypes.data, lower.ctypes.data, own.ctypes.data,
            others.ctypes.data, half.ctypes.data, done // LANES, is_open.ctypes.data,
        )  # fmt: skip
    for i in range(done, n):
        label = max(labels[i], 0)
        upper[i] = (upper[i] + own[label]) * UP
        mine = group_of[label]
        limit = LARGEST
        for group in range(n_groups):
            bound = lower[i, group] - (others[label] if group == mine else most[group])
            bound -= abs(bound) * LESS
            lower[i, group] = bound
            limit = min(limit, bound)
        is_open[i] = not (labels[i] >= 0 and upper[i] < max(limit, half[label]))


@compiled
def list_open(
    at: int, half: F32, known: RowArrays, is_open: U8, listed: I64, limits: F32
) -> tuple[int, int]:  # pragma: no cover - compiled
    """List flagged rows from row `at`, a multiple of FLAGS, until the list may be full.

    Returns where to go on, and how many are listed. What the upper bound must stay below,
    the row's limit, stands beside each.
    """
    labels, upper, lower = known
    words = is_open.view(np.uint64)
    n = ZERO
    while at < len(labels) and n + FLAGS <= len(listed):
        if words[at // FLAGS] != 0:
            for i in range(at, min(at + FLAGS, len(labels))):
                if is_open[i] == 0:
                    continue
                label, limit = labels[i], LARGEST
                if label < 0:
                    upper[i], limit = LARGEST, np.float32(0.0)
                    lower[i] = 0.0
                else:
                    for group in range(lower.shape[1]):
                        limit = min(limit, lower[i, group])
                    limit = max(limit, half[label])
                listed[n], limits[n] = i, limit
                n += 1
        at += FLAGS
    return min(at, len(labels)), n


@intrinsic  # type: ignore[untyped-decorator]
def widen_lanes(
    context: Any, labels: Any, upper: Any, lower: Any, own: Any, others: Any, half: Any,
    n_vectors: Any, is_open: Any,
) -> Any:  # fmt: skip
    """Do as `widened` for LANES rows at a time, with one group of centers.

    Its arguments, all int64: the addresses of labels, upper and lower bounds,
    of the moves and half the distances of the centers, how many times, and
    the address of the flags.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _widen(Lanes(builder, LANES), arguments)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 8), generate


def _widen(v: Lanes, arguments: Any) -> None:
    b, floats, ints = v.b, F32_TYPE.as_pointer(), I32_TYPE.as_pointer()
    flags_type = ir.VectorType(ir.IntType(8), v.n)
    kinds = (ints, *[floats] * 5)
    label_at, upper_at, lower_at, own, others, half = (
        b.inttoptr(address, kind) for address, kind in zip(arguments, kinds, strict=False)
    )
    open_at = b.inttoptr(arguments[7], flags_type.element.as_pointer())
    none = ir.Constant(v.ints, [0] * v.n)
    up, less = (v.spread(ir.Constant(F32_TYPE, float(x)), v.floats) for x in (UP, LESS))
    with cgutils.for_range(b, arguments[6]) as loop:
        first = b.mul(loop.index, whole(v.n))
        label = v.load(v.at(label_at, first), v.ints)
        is_known = b.icmp_signed(">=", label, none)
        places = b.select(is_known, label, none)
        reach = b.fadd(v.load(v.at(upper_at, first), v.floats), v.gathered(own, places))
        reach = b.fmul(reach, up)
        bound = b.fsub(v.load(v.at(lower_at, first), v.floats), v.gathered(others, places))
        size = b.select(b.fcmp_ordered("<", bound, v.zeros), b.fneg(bound), bound)
        bound = b.fsub(bound, b.fmul(size, less))
        v.store(reach, v.at(upper_at, first))
        v.store(bound, v.at(lower_at, first))
        nearest = v.gathered(half, places)
        limit = b.select(b.fcmp_ordered("<", bound, nearest), nearest, bound)
        is_held = b.and_(is_known, b.fcmp_ordered("<", reach, limit))
        v.store(b.zext(b.not_(is_held), flags_type), v.at(open_at, first))

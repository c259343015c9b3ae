"""A checkpoint as bytes: the states of all models, in one archive of arrays without pickles."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np

from streamkm.cluster.state import FitState

NUMBERS: Final = ("n_iter", "inertia", "center_shift", "converged", "restart")


def pack(states: tuple[FitState, ...], n_history: int) -> bytes:
    """Return states, and how many records of the history come before them."""
    arrays: dict[str, Any] = {"n_history": np.array(n_history)}
    for name in NUMBERS:
        arrays[name] = np.array([getattr(state, name) for state in states])
    for i, state in enumerate(states):
        arrays[f"centers_{i}"] = state.centers
        arrays[f"counts_{i}"] = state.counts
        arrays |= {f"extra_{i}_{name}": values for name, values in state.extra.items()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def unpack(content: bytes) -> tuple[tuple[FitState, ...], int]:
    """Return what was packed; a damaged archive raises whatever it leads NumPy to."""
    with np.load(io.BytesIO(content)) as arrays:
        return _read_states(arrays), int(arrays["n_history"])


def _read_states(arrays: Any) -> tuple[FitState, ...]:
    numbers = [arrays[name].tolist() for name in NUMBERS]
    states = tuple(
        FitState(
            centers=arrays[f"centers_{i}"],
            counts=arrays[f"counts_{i}"],
            extra=_read_extra(arrays, f"extra_{i}_"),
            **dict(zip(NUMBERS, values, strict=True)),
        )
        for i, values in enumerate(zip(*numbers, strict=True))
    )
    for state in states:  # compiled code believes the shapes
        is_whole = state.centers.ndim == 2 and state.counts.shape == state.centers.shape[:1]
        if not is_whole or state.centers.dtype != np.float64 or state.counts.dtype != np.int64:
            raise ValueError("a state's centers and counts do not fit")
    return states


def _read_extra(arrays: Any, prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}

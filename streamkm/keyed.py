"""Random numbers keyed by (seed, purpose, iteration, row): never by block, worker or order."""

from __future__ import annotations

from typing import Final

import numpy as np

# One number a purpose: two purposes never share random numbers.
SAMPLE: Final = 1
SHUFFLE: Final = 2
SEEDING: Final = 3
OVERSAMPLING: Final = 4
RECLUSTER: Final = 5
RELOCATION: Final = 6
BLOBS: Final = 7
DIGITS: Final = 8
STREAM: Final = 9
REASSIGNMENT: Final = 10
CORESET: Final = 11
REBIRTH: Final = 12
LANDMARKS: Final = 13
BISECTING: Final = 14
MEMBERS: Final = 15


def generator(seed: int, purpose: int, *keys: int) -> np.random.Generator:
    """Return a generator that depends on nothing but its arguments."""
    sequence = np.random.SeedSequence(seed, spawn_key=(purpose, *keys))
    return np.random.Generator(np.random.Philox(sequence))


def row_key(seed: int, purpose: int, *keys: int) -> np.uint64:
    """Return the key under which rows are hashed for one purpose."""
    sequence = np.random.SeedSequence(seed, spawn_key=(purpose, *keys))
    return np.uint64(sequence.generate_state(1, np.uint64)[0])

"""What this process, as a worker, keeps from pass to pass for the fit that it works for.

A cache, never truth. It belongs to the fit that was met last: two would be
twice the memory.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Final, Protocol, TypeVar


class Forgets(Protocol):
    """What is kept: it can be told to hold nothing any more."""

    def close(self) -> None:
        """Give back the memory, and keep nothing from then on."""
        ...


T = TypeVar("T", bound=Forgets)

_NAME: Final = uuid.uuid4().hex
_KEPT: Final[dict[str, dict[Hashable, Any]]] = {}  # by the token of a fit's passes: one at most
_FORGOTTEN: Final[deque[str]] = deque(maxlen=256)  # whose last tasks may still be running
_LOCK: Final = threading.Lock()


def name_here() -> str:
    """Return the name of this process, which is no other's."""
    return f"{_NAME}-{os.getpid()}"  # one that was forked has the other's


def kept_here(token: str, name: Hashable, make: Callable[[], T]) -> T:
    """Return what is kept under a name, made now where it is missing; forget other fits.

    For a fit that was forgotten it is made, and keeps nothing.
    """
    with _LOCK:
        if token in _FORGOTTEN:
            made = make()
            made.close()
            return made
        if token not in _KEPT:
            _forget_all()
            _KEPT[token] = {}
        found: T = _KEPT[token].get(name) or _KEPT[token].setdefault(name, make())
        return found


def forget_here(token: str) -> None:
    """Forget what was kept for passes of a token, for good."""
    with _LOCK:
        _FORGOTTEN.append(token)
        if token in _KEPT:
            _forget_all()


def _forget_all() -> None:
    for things in _KEPT.values():
        for thing in things.values():
            thing.close()  # a task that still has it keeps no more
    _KEPT.clear()

"""A new thing takes the name of an old one, which is whole until then."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

from streamkm.data.store import discard

AT_FDCWD: Final = -100  # linux/fcntl.h: names are paths
RENAME_EXCHANGE: Final = 2  # linux/fs.h


def put_in_place(new: Path, final: Path) -> None:
    """Give `new` its final name; what had it goes afterwards.

    Where the system can exchange two names (Linux), one of the two is whole
    under the name at every moment; elsewhere there is an instant between two
    renames, after which `tidy` brings back the old one.
    """
    old = _replaced(final)
    discard(old)
    if final.exists():
        new.rename(old)
        if _exchange(old, final):
            discard(old)
            return
        old.rename(new)
        final.rename(old)
    new.rename(final)
    discard(old)


def tidy(final: Path) -> None:
    """Clear up behind a `put_in_place` that was killed; the old one gets its name back."""
    old = _replaced(final)
    if final.exists():
        discard(old)
    elif old.exists():
        old.rename(final)


def _replaced(final: Path) -> Path:
    return final.with_name(final.name + ".replaced")


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two names at once; return False where the system cannot."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):  # not Linux, or an old C library
        return False
    names = os.fsencode(a.absolute()), os.fsencode(b.absolute())
    return bool(rename(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0)

"""How one run differs from another, in words."""

from __future__ import annotations

from typing import Any, Final

from streamkm.typing import Json

# What is told of by a digest, and what it is of.
DIGESTS: Final = {
    "fingerprint": "data", "weights": "weights", "classes": "labels", "models": "models",
}  # fmt: skip


def differences(there: Json, here: Json) -> str:
    """Say in what a run in a folder differs from this one; empty where they are the same.

    Keys with a leading underscore may differ.
    """
    keys = [k for k in here if not k.startswith("_") and there.get(k) != here[k]]
    return "; ".join(_difference(key, there.get(key), here[key]) for key in keys)


def _difference(key: str, there: Any, here: Any) -> str:
    """Say in a few words what differs."""
    if isinstance(there, dict) and isinstance(here, dict):
        names = [n for n in here if there.get(n) != here[n]]
        return ", ".join(
            f"{n} is {str(there.get(n))[:40]} there, {str(here[n])[:40]} here" for n in names
        )
    if key in DIGESTS:
        return f"the {DIGESTS[key]} differ"
    return f"{key} is {there} there, {here} here"

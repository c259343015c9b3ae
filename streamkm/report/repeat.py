"""The command that repeats a fit."""

from __future__ import annotations

import inspect
import shlex
from dataclasses import dataclass
from typing import Any, Final

from streamkm.cluster import find_algorithm
from streamkm.cluster.fitted import CIRCUMSTANCES
from streamkm.report.subject import Subject

ENDLESS: Final = ("half_life", "time_unit")  # of partial_fit, which has no command


@dataclass(frozen=True, slots=True)
class Repeat:
    """How to do it again.

    Parameters
    ----------
    text
        A command line, or Python where the rows were in memory.
    notes
        What it cannot say.
    """

    text: str
    notes: tuple[str, ...] = ()


def repeat_of(subject: Subject) -> Repeat:
    """Return the command that gives the same bits, on the same type of CPU and versions."""
    changed, notes = _changed(subject)
    if subject.view is not None and subject.data is None:
        named = ", ".join(f"{name}={value!r}" for name, value in changed.items())
        cls = find_algorithm(subject.algorithm).load().__name__
        note = "The rows were in memory: X stands for them."
        return Repeat(f"streamkm.{cls}({named}).fit(X)", (note, *notes))
    words = ["streamkm", "fit", subject.algorithm]
    words += [subject.data or "STORE", subject.target or "MODEL"]
    if subject.data is None:
        notes.append("STORE stands for the rows: a model does not know where they lie.")
    for name, value in changed.items():
        words += _option(name, value)
    return Repeat(shlex.join(words), tuple(notes))


def _changed(subject: Subject) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters that are not their defaults, and what words cannot say of them."""
    signature = inspect.signature(find_algorithm(subject.algorithm).load().__init__)
    changed: dict[str, Any] = {}
    notes = []
    values = {**subject.parameters, "random_state": subject.seed}
    for name, parameter in signature.parameters.items():
        if name not in values or name in (*CIRCUMSTANCES, *ENDLESS):
            continue
        value = values[name]
        if isinstance(value, dict):
            notes.append(f"{name} was given as an array: put it into {name}.npy first.")
            value = f"{name}.npy"
        elif isinstance(value, str) and value.startswith("<"):
            notes.append(f"{name} was the function {value}, which only Python can be given.")
        if value != parameter.default or name == "n_clusters":
            changed[name] = value
    return changed, notes


def _option(name: str, value: Any) -> list[str]:
    if name == "n_clusters":
        return ["-k", str(value)]
    option = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [option if value else option.replace("--", "--no-", 1)]
    if isinstance(value, list):
        return [option, ",".join(str(item) for item in value)]
    if isinstance(value, float) and float(f"{value:g}") == value:
        return [option, f"{value:g}"]
    return [option, "none" if value is None else str(value)]

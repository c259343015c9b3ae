"""The section about where it came from: the rows, the parameters, the command."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamkm.report.html import Html, join, tag
from streamkm.report.repeat import repeat_of
from streamkm.report.section import Section
from streamkm.report.subject import Subject
from streamkm.report.tables import facts_table


def origin_section(subject: Subject) -> Section:
    """Return the data, the parameters, and the command that repeats the fit."""
    about = subject.about
    shape = " × ".join(str(n) for n in subject.sample_shape)
    data = [
        ("source", about.get("source")),
        ("rows", _count(about.get("n_rows"))),
        ("features", _count(about.get("n_features"))),
        ("dtype", about.get("dtype")),
        ("sample shape", shape),
        ("fingerprint", tag("code", subject.fingerprint)),
    ]
    made = [("algorithm", subject.algorithm), ("seed", _plain(subject.seed))]
    made += [
        (name, _plain(value))
        for name, value in subject.parameters.items()
        if name != "random_state"
    ]
    body = join(
        _command(subject),
        facts_table("parameters", "Parameters", made),
        facts_table("data", "The rows", data),
    )
    return Section("origin", "How it was made", body)


def _command(subject: Subject) -> Html:
    repeat = repeat_of(subject)
    return join(
        tag("p", "This gives the same bits on the same type of CPU with the same libraries:"),
        tag(
            "div",
            tag("pre", tag("code", repeat.text, id="command"), tabindex=0),
            tag("button", "Copy", type="button", class_="copy", data_copies="command"),
            tag("span", class_="unseen", role="status", id="copied"),
            class_="command",
        ),
        *(tag("p", note, class_="note") for note in repeat.notes),
    )


def _count(value: Any) -> str | None:
    return None if value is None else f"{value:,}"


def _plain(value: Any) -> str:
    """Write a parameter; an array by its shape."""
    if isinstance(value, dict) and "array" in value:
        return " × ".join(str(n) for n in np.shape(value["array"])) + " array"
    return "none" if value is None else str(value)

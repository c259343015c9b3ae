"""A part of the page."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.report.html import Html


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading of its own.

    Parameters
    ----------
    name
        Its id, and where the contents point to.
    title
        Its heading.
    body
        What it holds.
    """

    name: str
    title: str
    body: Html

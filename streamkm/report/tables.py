"""Tables: sortable by buttons in their headers, scrolling in a box of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamkm.report.html import Html, join, tag

TALL: Final = 16  # rows


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: what people read, and what it is sorted by.

    Parameters
    ----------
    text
        Shown; empty where nothing is known.
    value
        A number to sort by, None to sort by the text.
    """

    text: str
    value: float | None = None


def number(value: float | None, text: str | None = None) -> Cell:
    """Return a cell that holds a number; NaN and None are not known."""
    if value is None or not math.isfinite(value):
        return Cell("")
    return Cell(f"{value:,}" if text is None else text, value)


def data_table(
    name: str, caption: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]
) -> Html:
    """Return a table with one header a column and a button in each, which sorts.

    Parameters
    ----------
    name
        Its id.
    caption
        What it shows.
    columns
        Names; those whose cells hold numbers are set to the right.
    rows
        Cells; the first of a row is its header.
    """
    is_number = [any(row[i].value is not None for row in rows) for i in range(len(columns))]
    head = [
        tag(
            "th",
            tag("button", text, tag("span", class_="arrow", aria_hidden="true"), type="button"),
            scope="col",
            class_="number" if is_number[i] else None,
            aria_sort="none",
        )
        for i, text in enumerate(columns)
    ]
    body = [
        tag("tr", *(_cell(cell, i == 0, is_number[i]) for i, cell in enumerate(row)))
        for row in rows
    ]
    hint = tag("span", " Buttons in the column headers sort.", class_="unseen")
    table = tag(
        "table",
        tag("caption", caption, hint, id=f"{name}-caption"),
        tag("thead", tag("tr", *head)),
        tag("tbody", *body),
        id=name,
        class_="sortable",
    )
    return scrolling(table, f"{name}-caption", is_tall=len(rows) > TALL)


def _cell(cell: Cell, is_head: bool, is_number: bool) -> Html:
    return tag(
        "th" if is_head else "td",
        cell.text,
        scope="row" if is_head else None,
        class_="number" if is_number else None,
        data_value=None if cell.value is None else repr(float(cell.value)),
    )


def facts_table(name: str, caption: str, facts: Sequence[tuple[str, Any]]) -> Html:
    """Return a table of names and values, in their order."""
    rows = [
        tag("tr", tag("th", key, scope="row"), tag("td", value))
        for key, value in facts
        if value not in (None, "")
    ]
    table = tag(
        "table",
        tag("caption", caption, id=f"{name}-caption"),
        tag("tbody", *rows),
        id=name,
        class_="facts",
    )
    return scrolling(table, f"{name}-caption")


def scrolling(content: Html, label: str, *, is_tall: bool = False) -> Html:
    """Return a box that scrolls, by the keyboard too; a tall one also from top to bottom."""
    kind = "scroll tall" if is_tall else "scroll"
    return tag("div", content, class_=kind, role="region", aria_labelledby=label, tabindex=0)


def figures_list(facts: Sequence[tuple[str, str]]) -> Html:
    """Return the figures that are read first."""
    items = [tag("div", tag("dt", key), tag("dd", value)) for key, value in facts if value]
    return tag("dl", join(*items), class_="figures")

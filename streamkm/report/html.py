"""HTML from nested calls: everything is escaped unless it is Html already."""

from __future__ import annotations

from html import escape
from typing import Final

VOID: Final = frozenset({"img", "meta", "source", "link", "br"})

Value = str | int | float | bool | None


class Html(str):
    """Markup that is safe to put on a page as it is."""

    __slots__ = ()


def tag(name: str, /, *children: str | None, **attributes: Value) -> Html:
    """Return an element.

    Parameters
    ----------
    name
        Of the element.
    children
        Text, which is escaped, Html, which is not, or None, which is left out.
    attributes
        A trailing underscore is dropped and others become hyphens: `class_`,
        `aria_label`. True gives a bare attribute; None and False none.

    Examples
    --------
    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        written = key.rstrip("_").replace("_", "-")
        words.append(written if value is True else f'{written}="{escape(str(value))}"')
    opening = f"<{' '.join(words)}>"
    return Html(opening if name in VOID else f"{opening}{join(*children)}</{name}>")


def join(*children: str | None) -> Html:
    """Return children one after the other, without an element around them."""
    return Html("".join(c if isinstance(c, Html) else escape(c) for c in children if c is not None))

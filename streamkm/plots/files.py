"""Figures as files: the same figure gives the same bytes."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.figure import Figure

from streamkm.data.atomic import write_atomically
from streamkm.errors import SourceError, StorageError

UNDATED: Final[dict[str, dict[str, Any]]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save_figure(figure: Figure, path: str | Path, *, transparent: bool = False) -> None:
    """Write a figure; its ending says the format, and the same figure gives the same bytes.

    Parameters
    ----------
    figure
        What any function of `streamkm.plots` returns.
    path
        Name ending in .png, .svg or .pdf.
    transparent
        Leave out the paper.

    Raises
    ------
    SourceError
        If the ending is another.
    StorageError
        If the file cannot be written.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in UNDATED:
        raise SourceError(f"{path}: the ending must be .{', .'.join(UNDATED)}")
    made = _rendered(figure, kind, transparent=transparent)
    try:
        write_atomically(Path(path), made)
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error})") from error


def to_svg(figure: Figure, name: str = "", *, transparent: bool = True) -> str:
    """Return a figure as a self-contained `<svg>` element, without the XML prolog.

    Text stays text, for search and for screen readers.

    Parameters
    ----------
    figure
        What any function of `streamkm.plots` returns.
    name
        Stands before every id in it, so that one page can hold several.
    transparent
        Leave out the paper.
    """
    text = _rendered(figure, "svg", transparent=transparent).decode()
    text = text[text.index("<svg") :]
    return re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", text) if name else text


def _rendered(figure: Figure, kind: str, *, transparent: bool) -> bytes:
    settings: Any = {
        "svg.hashsalt": "streamkm",
        "svg.fonttype": "none",
        "image.composite_image": False,
    }
    buffer = io.BytesIO()
    with matplotlib.rc_context(settings):
        figure.savefig(buffer, format=kind, metadata=UNDATED[kind], transparent=transparent)
    return buffer.getvalue()

"""The command that draws a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from streamkm.cli.options import Running
from streamkm.errors import SourceError, StoreExistsError

KINDS: Final = (
    "centers", "members", "convergence", "confusion", "sizes", "map", "clusters", "time"
)  # fmt: skip
FORMATS: Final = ("png", "svg", "pdf")


def plot(
    model: Path,
    store: str | None = None,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    what: str | None = None,
    format: Literal["png", "svg", "pdf"] = "png",  # noqa: A002 - an option's name
    theme: Literal["light", "dark"] = "light",
    target: str | None = None,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    running: Running = Running(),  # noqa: B008
) -> None:
    """Draw a model: its centers, members, convergence, sizes, and how it lies in the data.

    Example: streamkm plot model.zarr mnist.zarr -o pictures

    Parameters
    ----------
    model
        Folder of the model.
    store
        Store of the rows, or any source that convert reads: for members,
        map, clusters, and, where it has labels, confusion and titles.
    out
        Folder for the pictures, or one name ending in .png, .svg or .pdf.
    what
        Which to draw, such as centers,sizes: centers, members, convergence,
        confusion, sizes, map, clusters, time; by default all that the model
        and the store allow.
    format
        Format of the files in a folder.
    theme
        Inks for light or for dark paper.
    target
        Labels, where they are not in the store.
    overwrite
        Replace pictures that are there.
    """
    asked = None if what is None else [name.strip() for name in what.split(",") if name.strip()]
    unknown = [name for name in asked or [] if name not in KINDS]
    if unknown:
        raise SourceError(f"--what {unknown[0]} is unknown; known are {', '.join(KINDS)}")
    paths = {name: out / f"{name}.{format}" for name in asked or KINDS}
    if out.suffix.lower().removeprefix(".") in FORMATS:
        if asked is None or len(asked) != 1:
            raise SourceError(f"{out} is one file: say which picture with --what")
        paths = {asked[0]: out}
    elif out.suffix[1:].isalpha() and not out.is_dir():
        raise SourceError(
            f"{out}: the ending must be .png, .svg or .pdf; a new folder's name has no ending"
        )
    taken = [path for path in paths.values() if path.exists()]
    if taken and not overwrite:
        raise StoreExistsError(f"{taken[0]} exists; --overwrite replaces it")
    from streamkm.cli.pictures import draw_all

    draw_all(model, store, target, paths, theme, running, is_asked=asked is not None)

"""What the examples share: where the data is, a table, and where pictures go.

Data is looked for in --data, in the folder that STREAMKM_DATA names, and in
streamkm's cache; else it is downloaded (not under CI). Where none is to be
had, `digits:` stands in: rows computed from scikit-learn's 1797 digits.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from matplotlib.figure import Figure

from streamkm.conversion.fetch import cache_folder, fetch_files
from streamkm.errors import StreamKMError

INK, FAINT = "#222222", "#888888"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"  # of Okabe & Ito
IDX = {"train": "train-images-idx3-ubyte.gz", "test": "t10k-images-idx3-ubyte.gz"}


def make_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return the parser of an example, with the options that all have."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with mnist/ and cifar10/")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the pictures")
    return parser


def find_mnist(folder: Path | None, split: str = "train") -> str | None:
    """Return the images of MNIST, whose labels lie beside them."""
    for place in _places(folder):
        for path in (place / "mnist" / IDX[split], place / IDX[split]):
            if path.exists():
                return str(path)
    return _fetched("mnist", split)


def find_cifar10(folder: Path | None) -> str | None:
    """Return CIFAR-10's training images: as many batches as there are, or the archive."""
    for place in _places(folder):
        for path in (place / "cifar10", place / "cifar-10-batches-bin", place):
            if list(path.glob("data_batch_*")):
                return str(path)
            if (path / "cifar-10-binary.tar.gz").exists():
                return str(path / "cifar-10-binary.tar.gz")
    return _fetched("cifar10", "train")


def _places(folder: Path | None) -> list[Path]:
    named = os.environ.get("STREAMKM_DATA")
    places = [folder] if folder else [*([Path(named)] if named else []), cache_folder()]
    return [place for place in places if place.is_dir()]


def _fetched(name: str, split: str) -> str | None:
    if os.environ.get("CI"):
        return None
    print(f"downloading {name}; --data FOLDER or STREAMKM_DATA would save that", file=sys.stderr)
    try:
        return fetch_files(name, split).source
    except StreamKMError as error:
        print(f"{error}; computed digits stand in", file=sys.stderr)
        return None


def show_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table: the first column to the left, numbers to the right."""
    lines = [[str(cell) for cell in line] for line in (head, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for n, line in enumerate(lines):
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())
        if n == 0:
            print("  ".join("-" * width for width in widths))


def span(values: Sequence[float], form: str) -> str:
    """Write the smallest and the largest of some values."""
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} – {high}"


def save(figure: Figure, folder: Path, name: str) -> None:
    """Save a picture and say where."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / name)
    print(f"picture: {name}")


@contextmanager
def timed() -> Iterator[SimpleNamespace]:
    """Time a block; the seconds are in what it yields."""
    found = SimpleNamespace(seconds=0.0)
    begin = time.perf_counter()
    yield found
    found.seconds = time.perf_counter() - begin


def plain(axes: object) -> None:
    """Leave two spines, in grey."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK)

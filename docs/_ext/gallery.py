"""How the examples become pages: their order, their arguments, the pictures that they save."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst

ORDER = (
    "cifar_three_clusters", "mnist_minibatch", "ten_test_digits", "two_starts", "shapes",
    "larger_than_memory", "dask_cluster", "pipeline", "drifting_stream",
)  # fmt: skip
# A page is built in seconds: less of the same. Under CI there is only computed data.
SHORTER = {
    "larger_than_memory": ["--rows", "1000000"],
    "mnist_minibatch": ["--repeats", "1"],
    "two_starts": ["--seeds", "3"],
}
SMALL = {
    "cifar_three_clusters": ["--rows", "1500"],
    "dask_cluster": ["--rows", "20000"],
    "larger_than_memory": ["--rows", "50000"],
    "mnist_minibatch": ["--clusters", "4,9,16", "--repeats", "1", "--rows", "3000"],
    "ten_test_digits": ["--seeds", "3", "--rows", "1500"],
    "two_starts": ["--seeds", "2", "--most", "9"],
}
os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "warning")
_PICTURES = Path(tempfile.mkdtemp(prefix="streamkm-gallery-"))


class StudiesFirst:
    """The order of the pages in the gallery."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, name: str) -> int:
        """Return the place of an example."""
        stem = Path(name).stem
        return ORDER.index(stem) if stem in ORDER else len(ORDER)


def arguments_of(_: dict[str, Any], script: dict[str, Any]) -> list[str]:
    """Return what an example is called with."""
    name = Path(script["src_file"]).stem
    sizes = (SMALL if os.environ.get("CI") else SHORTER).get(name, [])
    return [*sizes, "--out", str(_PICTURES / name)]


def saved_pictures(block: Any, block_vars: dict[str, Any], conf: dict[str, Any]) -> str:
    """Return the pictures that an example has saved since its last block."""
    name = Path(block_vars["src_file"]).stem
    shown = []
    for picture in sorted((_PICTURES / name).glob("*.png"), key=lambda path: path.stat().st_mtime):
        place = next(block_vars["image_path_iterator"])
        shutil.move(picture, place)
        shown.append(place)
    return figure_rst(shown, conf["src_dir"])

"""What other programs read: labels and distances as CSV and Parquet, from a .npy file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from streamkm.errors import MissingExtraError

COPY_ROWS: Final = 1 << 16


def _batches(path: Path) -> Iterator[tuple[list[str], NDArray[Any]]]:
    with open(path, "rb") as stream:  # read, not mapped: memory must not grow with the rows
        npy_format.read_magic(stream)
        shape, _, dtype = npy_format.read_array_header_1_0(stream)
        width = 1 if len(shape) == 1 else shape[1]
        names = ["label"] if len(shape) == 1 else [f"distance_{k}" for k in range(width)]
        for start in range(0, shape[0], COPY_ROWS):
            rows = min(COPY_ROWS, shape[0] - start)
            yield names, np.fromfile(stream, dtype, rows * width).reshape(rows, width)


def _to_csv(raw: Path, final: Path) -> None:
    with open(final, "w", encoding="ascii") as stream:
        is_first = True
        for names, part in _batches(raw):
            if is_first:
                stream.write(",".join(names) + "\n")
                is_first = False
            np.savetxt(stream, part, delimiter=",", fmt="%d" if part.dtype.kind == "i" else "%.17g")


def need_pyarrow() -> Any:
    """Return pyarrow.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError.of("Parquet", "pyarrow", "tables") from error
    return pyarrow


def _to_parquet(raw: Path, final: Path) -> None:
    pyarrow = need_pyarrow()
    writer = None
    for names, part in _batches(raw):
        table = pyarrow.table({name: part[:, i] for i, name in enumerate(names)})
        writer = writer or pyarrow.parquet.ParquetWriter(final, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


CONVERTERS: Final[dict[str, Callable[[Path, Path], None]]] = {
    ".csv": _to_csv,
    ".parquet": _to_parquet,
}

"""Small files of the formats that tables, vectors and images come in, and the rows in them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
from PIL import Image

RNG = np.random.default_rng(1)
VALUES = RNG.normal(size=(50, 3))
WHOLE = RNG.integers(0, 256, (50, 4))
VECTORS = RNG.normal(size=(50, 5)).astype(np.float32)
BYTES = RNG.integers(0, 256, (50, 5)).astype(np.uint8)
PICTURES = RNG.integers(0, 256, (50, 3, 4, 6)).astype(np.uint8)


def csv_text(rows, delimiter=",", header="a,b,c"):
    lines = [header.replace(",", delimiter)] if header else []
    lines += [delimiter.join(repr(value.item()) for value in row) for row in rows]
    return "\n".join(lines) + "\n"


def table_of(rows, names="abcdefgh"):
    return pa.table({name: rows[:, i] for i, name in enumerate(names[: rows.shape[1]])})


def write_vecs(path, rows):
    counts = np.full((len(rows), 1), rows.shape[1], "<i4").view(np.uint8)
    body = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    raw = np.concatenate([counts, body], axis=1).tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def write_ipc(path, table, compression=None, rows=17):
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with (
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_file(file, table.schema, options=options) as w,
    ):
        w.write_table(table, max_chunksize=rows)


def csv(folder):
    (folder / "rows.csv").write_text(csv_text(VALUES))
    return "rows.csv", VALUES


def csv_gz(folder):
    (folder / "rows.csv.gz").write_bytes(gzip.compress(csv_text(VALUES).encode()))
    return "rows.csv.gz", VALUES


def csv_whole(folder):
    (folder / "rows.csv").write_text(csv_text(WHOLE, header="a,b,c,d"))
    return "rows.csv:d,b", WHOLE[:, [3, 1]]


def csv_plain(folder):
    """No names, Windows line ends, blank lines, no last line end."""
    text = csv_text(VALUES, ";", "").replace("\n", "\r\n").replace("\r\n", "\r\n\r\n", 9)
    (folder / "rows.csv").write_bytes(text.rstrip().encode())
    return "rows.csv", VALUES


def csv_quoted(folder):
    names = ['"x, y"', "said", "z"]
    rows = [
        f'{a!r},"line ""{i}""\nnext, and\n",{c!r}' for i, (a, _, c) in enumerate(VALUES.tolist())
    ]
    (folder / "rows.csv").write_text("\n".join([",".join(names), *rows]))
    return 'rows.csv:"x, y",z', VALUES[:, [0, 2]]


def csv_glob(folder):
    for i, part in enumerate(np.array_split(VALUES, 7)):
        (folder / f"part-{i}.csv").write_text(csv_text(part))
    return "part-*.csv", VALUES


def csv_gz_glob(folder):
    for i, part in enumerate(np.array_split(VALUES, 7)):
        (folder / f"part-{i}.csv.gz").write_bytes(gzip.compress(csv_text(part).encode()))
    return "part-*.csv.gz", VALUES


def tsv(folder):
    (folder / "rows.tsv").write_text(csv_text(VALUES, "\t"))
    return "rows.tsv", VALUES


def txt(folder):
    """As numpy.savetxt writes it, in columns of one width."""
    np.savetxt(folder / "rows.txt", VALUES, fmt="%26.18e", header="a b c")
    return "rows.txt:a,c", VALUES[:, [0, 2]]


def parquet(folder):
    pq.write_table(table_of(VALUES), folder / "rows.parquet")
    return "rows.parquet", VALUES


def parquet_groups(folder):
    """Columns of several types, small row groups."""
    table = pa.table(
        {"i": pa.array(WHOLE[:, 0], pa.int16()), "f": pa.array(VECTORS[:, 0]), "s": ["x"] * 50}
    )
    pq.write_table(table, folder / "rows.parquet", row_group_size=9)
    return "rows.parquet:f,i", np.stack([VECTORS[:, 0], WHOLE[:, 0].astype(np.float32)], axis=1)


def parquet_lists(folder):
    wide = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.ravel()), 5)
    table = pa.table({"embedding": wide, "bytes": pa.array(BYTES.tolist(), pa.list_(pa.uint8()))})
    pq.write_table(table, folder / "rows.parquet", row_group_size=20)
    return "rows.parquet", np.concatenate([VECTORS, BYTES.astype(np.float32)], axis=1)


def parquet_folder(folder):
    (folder / "parts").mkdir()
    for i, part in enumerate(np.array_split(VALUES, 7)):
        pq.write_table(table_of(part), folder / "parts" / f"part-{i}.parquet", row_group_size=4)
    (folder / "parts" / "_SUCCESS").touch()
    return "parts", VALUES


def arrow(folder):
    write_ipc(folder / "rows.arrow", table_of(VALUES))
    return "rows.arrow:c,a", VALUES[:, [2, 0]]


def arrow_lists(folder):
    wide = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.ravel()), 5)
    write_ipc(folder / "rows.ipc", pa.table({"embedding": wide}))
    return "rows.ipc", VECTORS


def feather(folder):
    pyarrow.feather.write_feather(table_of(WHOLE), folder / "rows.feather", compression="lz4")
    return "rows.feather", WHOLE


def arrow_glob(folder):
    for i, part in enumerate(np.array_split(VALUES, 3)):
        write_ipc(folder / f"part-{i}.arrow", table_of(part), "zstd")
    return "part-*.arrow", VALUES


def fvecs(folder):
    write_vecs(folder / "base.fvecs", VECTORS)
    return "base.fvecs", VECTORS


def bvecs_gz(folder):
    write_vecs(folder / "base.bvecs.gz", BYTES)
    return "base.bvecs.gz", BYTES


def ivecs(folder):
    write_vecs(folder / "base.ivecs", WHOLE.astype("<i4"))
    return "base.ivecs", WHOLE.astype(np.int32)


def images(folder):
    """A folder for each class, in color."""
    for i, picture in enumerate(PICTURES):
        place = folder / "pictures" / ("cat" if i < 20 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.moveaxis(picture, 0, -1)).save(place / f"{i:03}.png")
    return "pictures", PICTURES.reshape(50, -1)


def images_grey(folder):
    """All in one folder."""
    (folder / "pictures").mkdir()
    for i, picture in enumerate(PICTURES):
        Image.fromarray(picture[0]).save(folder / "pictures" / f"{i:03}.bmp")
    return "images:pictures?size=6x4&mode=grey", PICTURES[:, 0].reshape(50, -1)


WRITERS: dict[str, Callable[[Path], tuple[str, np.ndarray]]] = {
    "csv": csv,
    "csv-gz": csv_gz,
    "csv-whole": csv_whole,
    "csv-plain": csv_plain,
    "csv-quoted": csv_quoted,
    "csv-glob": csv_glob,
    "csv-gz-glob": csv_gz_glob,
    "csv-tabs": tsv,
    "csv-txt": txt,
    "parquet": parquet,
    "parquet-groups": parquet_groups,
    "parquet-lists": parquet_lists,
    "parquet-folder": parquet_folder,
    "arrow": arrow,
    "arrow-lists": arrow_lists,
    "arrow-feather": feather,
    "arrow-glob": arrow_glob,
    "vecs": fvecs,
    "vecs-bytes": bvecs_gz,
    "vecs-whole": ivecs,
    "images": images,
    "images-grey": images_grey,
}

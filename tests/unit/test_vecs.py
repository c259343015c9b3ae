"""TEXMEX vectors: each row says how many values it has."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from streamkm.errors import SourceError
from streamkm.sources import open_source
from tests.contract.written import write_vecs


@pytest.mark.parametrize(("ending", "dtype"), [("fvecs", "f4"), ("bvecs", "u1"), ("ivecs", "i4")])
@pytest.mark.parametrize("is_gzip", [False, True])
def test_each_ending_has_its_type(ending, dtype, is_gzip, rng):
    rows = rng.integers(0, 200, (9, 3)).astype(dtype)
    path = Path(f"x.{ending}" + ".gz" * is_gzip)
    write_vecs(path, rows)
    source = open_source(path)
    assert source.dtype == rows.dtype
    assert source.info.is_sequential == is_gzip
    np.testing.assert_array_equal(source.read(2, 9), rows[2:])


@pytest.mark.parametrize("is_gzip", [False, True])
def test_damage_is_told(is_gzip, rng):
    path = Path("x.fvecs" + ".gz" * is_gzip)
    write_vecs(path, rng.normal(size=(9, 3)).astype("f4"))
    raw = bytearray(gzip.decompress(path.read_bytes()) if is_gzip else path.read_bytes())

    def rewrite(content):
        path.write_bytes(gzip.compress(bytes(content)) if is_gzip else bytes(content))

    rewrite(raw[:-5])
    with pytest.raises(SourceError, match="not whole vectors of 3 values"):
        open_source(path)
    wrong = bytearray(raw)
    wrong[16 * 4] = 2
    rewrite(wrong)
    with pytest.raises(SourceError, match="row 4 has 2 values, the first has 3"):
        open_source(path).read(1, 9)
    for n_values in (-1, 0, 1 << 30):
        rewrite(np.int32(n_values).tobytes() + raw[4:])
        with pytest.raises(SourceError, match=r"not a \.fvecs|not whole"):
            open_source(path)

"""Using a model leaves it what it is: an output that was begun with it is gone on with."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from streamkm import KMeans


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_a_model_that_was_used_is_told_from_no_other(rng, dtype):
    X = rng.integers(0, 99, (300, 5)).astype(dtype)
    fitted = KMeans(3, n_init=1, random_state=0).fit(X)
    fresh = pickle.loads(pickle.dumps(fitted))
    before = pickle.dumps(fresh.labeler_)
    fresh.predict(X)
    fresh.transform(X.astype(np.float32))
    assert pickle.dumps(fresh.labeler_) == before

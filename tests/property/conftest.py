"""What the laws share: no test leaves to the next what it kept as a worker."""

from __future__ import annotations

import pytest

from streamkm.data import here
from streamkm.data.here import forget_here


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    yield
    for token in list(here._KEPT):
        forget_here(token)

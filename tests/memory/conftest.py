"""What a limit covers is measured in processes that find their kernels compiled.

One that compiles holds the intermediate code until it ends: docs/explanation/memory.md.
"""

from __future__ import annotations

import pytest

from tests.helpers import run_command


@pytest.fixture(autouse=True, scope="session")
def _compiled(tmp_path_factory):
    done = run_command(
        ["compile", "--dtypes", "float32,float64"], tmp_path_factory.mktemp("compile")
    )
    assert done.returncode == 0, done.stderr

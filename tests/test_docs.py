"""Every code block of the README and the docs runs, page by page, in order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from streamkm.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# The two commands of the README; .ci/run runs the second, test_demo the first, in processes.
INSTALLS = ("pip install . && streamkm demo", 'pip install ".[test]" && pytest')


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.S | re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.filterwarnings(
    "default::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_every_block_runs(page):
    namespace = {"__name__": "__main__"}
    for language, body in blocks(page):
        if language == "sh":
            for line in body.splitlines():
                if line not in INSTALLS:
                    words = shlex.split(line)
                    assert words[0] == "streamkm"
                    assert main(words[1:]) == 0, line
        elif language == "python":
            exec(compile(body, str(page), "exec"), namespace)
        else:
            assert language == "text", f"{page}: a block of unknown language {language!r}"


def test_the_readme_holds_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert all(f"```sh\n{command}\n```" in text for command in INSTALLS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_pages_hold(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_docstring_examples_run():
    import doctest
    import importlib

    modules = (
        "cluster.bisecting", "cluster.coreset", "cluster.kmeans", "cluster.minibatch",
        "cluster.model", "cluster.spectral", "cluster.streamkm", "conversion.convert",
    )  # fmt: skip
    tried = 0
    for name in modules:
        result = doctest.testmod(importlib.import_module(f"streamkm.{name}"))
        assert result.failed == 0
        tried += result.attempted
    assert tried >= 10

"""Every code block of the README and the docs runs, page by page, in order."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import shlex
from pathlib import Path

import pytest

from streamkm.cli import main

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BUILT = ("_build", "examples")  # by Sphinx
PAGES = [
    ROOT / "README.md",
    *sorted(p for p in DOCS.rglob("*.md") if p.relative_to(DOCS).parts[0] not in BUILT),
]
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
            if re.search(r"^import faiss$", body, re.M):
                pytest.importorskip("faiss")
            exec(compile(body, str(page), "exec"), namespace)
        else:
            assert language == "text", f"{page}: a block of unknown language {language!r}"


def test_the_readme_holds_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert all(f"```sh\n{command}\n```" in text for command in INSTALLS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_pages_hold(page):
    for target, anchor in re.findall(r"\]\(([^)#:]*)#?([^):]*)\)", page.read_text()):
        found = page if not target else page.parent / target
        assert written_by_hand(found).exists(), target
        if anchor:
            assert anchor in anchors(found), f"{target}#{anchor}"


def written_by_hand(page):
    """Return what a page is built from: an example's script, the package itself."""
    path = Path(os.path.normpath(page))
    if path.parent == DOCS / "examples":
        name = "GALLERY_HEADER.rst" if path.stem == "index" else f"{path.stem}.py"
        return ROOT / "examples" / name
    return ROOT / "streamkm" if path == DOCS / "reference" / "api.rst" else path


def anchors(page):
    """Return the anchors of a page's headings, as MyST and code hosts make them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_page_can_be_reached():
    linked = {
        Path(os.path.normpath(page.parent / target))
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:]+\.md)", page.read_text())
    }
    globbed = {page for page in PAGES if page.parent.name in ("how-to", "explanation")}
    assert set(PAGES) - linked - globbed <= {ROOT / "README.md", DOCS / "index.md"}


WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "streamkm").rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_docstring_examples_run(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert result.attempted > 0

"""The reference, from the package itself: every public name, every command's help."""

from __future__ import annotations

import importlib
import inspect
import io
import os
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

# Modules with an __all__, and what each is for.
MODULES = {
    "streamkm": "The package",
    "streamkm.plots": "Pictures",
    "streamkm.metrics": "Measures",
}
# What people call, in this order; the rest is for those who add an algorithm.
METHODS = (
    "fit", "partial_fit", "fit_stream", "fit_predict", "fit_transform", "predict", "transform",
    "score", "save", "from_centers", "to_sklearn", "to_faiss",
)  # fmt: skip


def setup(app: Any) -> dict[str, bool]:
    """Tell Sphinx of the directives, and write the page of the names."""
    app.add_directive("streamkm-commands", Commands)
    app.add_directive("streamkm-datasets", Datasets)
    write_names(Path(app.srcdir) / "reference" / "api.rst")
    return {"parallel_read_safe": True}


def write_names(page: Path) -> None:
    """Write the page that lists every public name."""
    lines = ["Python", "======", ""]
    for name, title in MODULES.items():
        module = importlib.import_module(name)
        public = getattr(module, "__all__", ())
        if not public:
            continue
        lines += [title, "-" * len(title), ""]
        for item in sorted(public, key=str.lower):
            lines += _entry(f"{name}.{item}", getattr(module, item))
    text = "\n".join(lines) + "\n"
    if not page.exists() or page.read_text() != text:
        page.write_text(text)


def _entry(path: str, value: Any) -> list[str]:
    if inspect.isclass(value):
        own = [method for method in METHODS if _is_ours(value, method)]
        if not own:
            return [f".. autoclass:: {path}", "   :members:", ""]
        methods = [line for name in own for line in (f"   .. automethod:: {name}", "")]
        return [f".. autoclass:: {path}", "", *methods]
    if callable(value):
        return [f".. autofunction:: {path}", ""]
    return [f".. autodata:: {path}", "   :no-value:", ""]


def _is_ours(cls: type, name: str) -> bool:
    """Return whether a method is one of ours, not of scikit-learn's bases."""
    for base in cls.__mro__:
        if name in vars(base):
            return base.__module__.startswith("streamkm")
    return False


class Commands(Directive):
    """The help of every command, one section each."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        return [_section(words, text) for words, text in helps()]


class Datasets(Directive):
    """The catalog of public datasets, as a table and as what to cite."""

    def run(self) -> list[nodes.Node]:
        """Return the table and the list."""
        from streamkm.data.catalog import CATALOG
        from streamkm.runtime.memory import format_bytes

        lines = ["| name | what | splits and rows | features | download | licence |"]
        lines += ["|---|---|---|--:|--:|---|"]
        for row in CATALOG:
            splits = ", ".join(f"{split.name} {split.n_rows:,}" for split in row.splits)
            size = format_bytes(row.split().size_bytes)
            what = f"[{row.title}]({row.homepage}): {row.what}; {row.details}"
            cells = (f"`{row.name}`", what, splits, str(row.n_features), size, row.licence)
            lines.append("| " + " | ".join(cells) + " |")
        lines += ["", "What to cite:", ""]
        lines += [f"- {row.title}: {row.citation}." for row in CATALOG]
        found = nodes.container()
        self.state.nested_parse(StringList(lines, "catalog"), self.content_offset, found)
        return found.children


def helps() -> Iterator[tuple[str, str]]:
    """Yield every command and its help, as a terminal of 88 columns shows it."""
    from streamkm.cli.app import make_app

    os.environ["COLUMNS"] = "88"
    commands = sorted(name for name in make_app(()) if not name.startswith("-"))
    for name in commands:
        inner = sorted(word for word in make_app((name,))[name] if not word.startswith("-"))
        for words in [[name, word] for word in inner] or [[name]]:
            yield " ".join(words), _help(words)


def _help(words: list[str]) -> str:
    from streamkm.cli import main

    text = io.StringIO()
    with redirect_stdout(text):
        main([*words, "--help"])
    return "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines())


def _section(words: str, text: str) -> nodes.section:
    section = nodes.section(ids=[f"streamkm-{words.replace(' ', '-')}"])
    section += nodes.title(text=f"streamkm {words}")
    section += nodes.literal_block(text, text, language="none")
    return section

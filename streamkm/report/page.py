"""The page: its frame, what stands first, and the sections."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from importlib.resources import files
from typing import Final

import streamkm
from streamkm.cluster import find_algorithm
from streamkm.metrics.measures import TITLES
from streamkm.report.clusters import (
    clusters_section,
    map_section,
    measures_section,
    members_section,
)
from streamkm.report.course import course_section, time_section
from streamkm.report.findings import Findings
from streamkm.report.html import Html, join, tag
from streamkm.report.origin import origin_section
from streamkm.report.section import Section
from streamkm.report.subject import Subject
from streamkm.report.tables import figures_list
from streamkm.report.words import duration, short_count, short_number
from streamkm.runtime.memory import format_bytes

ASSETS: Final = files("streamkm.report") / "assets"
HEADLINES: Final = ("explained_variance", "silhouette", "majority_accuracy", "adjusted_rand")


def page(title: str, body: Html, *, is_live: bool = False) -> str:
    """Return a whole page around its body; nothing on it comes from elsewhere.

    Parameters
    ----------
    title
        Of the window.
    body
        What <body> holds.
    is_live
        Whether it asks the server that it came from for news.
    """
    style = asset("page.css")
    script = asset("page.js") + (asset("live.js") if is_live else "")
    # Only these two texts may act on the page, whatever a name in the data holds.
    policy = (
        f"default-src 'none'; img-src data:; style-src {_digest(style)}; "
        f"script-src {_digest(script)}; base-uri 'none'; form-action 'none'"
    ) + ("; connect-src 'self'" if is_live else "")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(style)),
    )
    script_tag = tag("script", Html(script))
    whole = tag("html", head, tag("body", body, script_tag), lang="en")
    return f"<!doctype html>\n{whole}\n"


def report_page(subject: Subject, findings: Findings | None) -> str:
    """Return the report of a run or a model as one page."""
    known = knowing(subject, findings)
    return page(title_of(known), body_of(frame(known, findings)))


def knowing(subject: Subject, findings: Findings | None) -> Subject:
    """Return a subject with what its rows say of themselves, where they were read."""
    if findings is None or not findings.is_fitted_to:
        return subject
    return replace(subject, about=findings.about, data=subject.data or findings.location)


def body_of(content: Html, *others: Html) -> Html:
    """Return what <body> holds: a way past the contents, the frame, and what else there is."""
    skip = tag("a", "Skip to the content", href="#content", class_="skip")
    return join(skip, tag("div", content, class_="frame", id="frame"), *others)


def frame(subject: Subject, findings: Findings | None, status: Html | None = None) -> Html:
    """Return all that is seen; `status` stands above the sections of a page that is live."""
    sections = sections_of(subject, findings)
    head = tag("header", tag("h1", title_of(subject)), tag("p", sentence(subject), class_="lead"))
    links = [tag("li", tag("a", part.title, href=f"#{part.name}")) for part in sections]
    contents = tag("nav", tag("ul", *links), aria_label="Contents")
    parts = [
        tag(
            "section",
            tag("h2", part.title, id=f"{part.name}-title"),
            part.body,
            id=part.name,
            aria_labelledby=f"{part.name}-title",
        )
        for part in sections
    ]
    first = figures_list(headlines(subject, findings)) if status is None else status
    main = tag("main", first, *parts, id="content", tabindex=-1)
    foot = tag("footer", tag("p", f"Written by streamkm {streamkm.__version__}."))
    return join(head, contents, main, foot)


def sections_of(subject: Subject, findings: Findings | None) -> list[Section]:
    """Return the sections that there is something to say in."""
    found = (
        clusters_section(subject, findings),
        members_section(subject, findings),
        measures_section(subject, findings),
        map_section(subject, findings),
        course_section(subject),
        time_section(subject),
        origin_section(subject),
    )
    return [section for section in found if section is not None]


def title_of(subject: Subject) -> str:
    """Return what the page is called."""
    source = subject.about.get("source")
    return f"{subject.n_clusters:,} clusters of {source or subject.path.name}"


def sentence(subject: Subject) -> str:
    """Say what was done in one sentence."""
    about, cls = subject.about, find_algorithm(subject.algorithm).load().__name__
    rows = ""
    if about:
        shape = " × ".join(str(n) for n in subject.sample_shape)
        features = f"{shape} values" if shape else f"{about['n_features']:,} features"
        dtype = f", {about['dtype']}" if about.get("dtype") else ""
        rows = f" in {about['n_rows']:,} rows of {features}{dtype}"
    verb = "found" if subject.is_finished else "is looking for"
    n_init = subject.parameters.get("n_init") or 1
    tries = f", with {n_init} restarts" if n_init > 1 else ""
    n_passes = len(subject.history)
    cost = f", in {_plural(n_passes, 'pass', 'passes')}{tries}" if n_passes else ""
    return f"{cls} {verb} {_plural(subject.n_clusters, 'cluster', 'clusters')}{rows}{cost}."


def headlines(subject: Subject, findings: Findings | None) -> list[tuple[str, str]]:
    """Return the figures that are read first."""
    seconds = sum(record["seconds"] for record in subject.history)
    rows = sum(record["n_rows"] for record in subject.history)
    read = sum(record["bytes_read"] for record in subject.history)
    found = [
        ("inertia", "" if subject.inertia is None else short_number(subject.inertia)),
        ("iterations", "" if subject.n_iter is None else f"{subject.n_iter:,}"),
        ("in passes", duration(seconds) if subject.history else ""),
        ("rows a second", short_count(rows / seconds) if seconds else ""),
        ("read", format_bytes(read) if subject.history else ""),
    ]
    measures = {} if findings is None else findings.scores.measures()
    known = [(TITLES[name], measures.get(name)) for name in HEADLINES]
    return found + [(title, f"{value:.3f}") for title, value in known if value is not None]


def asset(name: str) -> str:
    """Return the text of a file that belongs to the page."""
    return (ASSETS / name).read_text(encoding="utf-8")


def _plural(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"

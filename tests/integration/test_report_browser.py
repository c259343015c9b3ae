"""The report in headless Chromium: two widths, light and dark; keyboard; nothing from elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

import streamkm
from streamkm.report import write_report
from streamkm.report.live import served

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
WIDTHS = (360, 1400)
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as tool:
        made = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, its model, and its report."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("report")
    rows = np.concatenate([rng.integers(0, 60, (40, 64)) + 40 * i for i in range(4)])
    np.save(folder / "a <b> & c.npy", rows.reshape(-1, 8, 8).astype(np.uint8))
    target = np.repeat(np.arange(4), 40)
    streamkm.convert(folder / "a <b> & c.npy", folder / "x.zarr", target=target)
    model = streamkm.KMeans(12, n_init=2, random_state=0, run_dir=folder / "run")
    model.fit(folder / "x.zarr").save(folder / "m.zarr")
    write_report(folder / "m.zarr", folder / "report.html", folder / "x.zarr")
    return folder


@contextmanager
def opened(browser, url, width=1400, scheme="light") -> Iterator:
    """A page; at its end nothing may have been wrong, and nothing asked of the network."""
    wrong, asked = [], []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
    yield page
    context.close()
    assert wrong == []
    start = url if url.startswith("http") else "data:"
    assert [u[:80] for u in asked if u != url and not u.startswith(("data:", start))] == []


def eventually(page, condition, tries=500):
    """Ask until it holds. ``wait_for_function`` asks inside the page, whose policy forbids eval
    from the second time on: it passes or fails by how fast the machine is."""
    for _ in range(tries):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"{condition} never held.")


@pytest.fixture
def report(folder):
    return (folder / "report.html").as_uri()


@pytest.mark.parametrize("scheme", PAPER)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_every_screen_and_follows_the_theme(browser, report, width, scheme):
    with opened(browser, report, width, scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == PAPER[scheme]
        shown = page.evaluate("[...document.images].map((i) => [i.naturalWidth, i.currentSrc])")
        assert len(shown) == 7
        assert all(natural > 0 for natural, _ in shown)
        light = page.evaluate("[...document.images].map((i) => i.getAttribute('src'))")
        is_light = [source == uri for (_, source), uri in zip(shown, light, strict=True)]
        assert is_light == [scheme == "light"] * 7
        if width == min(WIDTHS):
            small = """[...document.querySelectorAll('a, button, td, th, dd, p, figcaption')]
                .filter((e) => e.checkVisibility() && parseFloat(getComputedStyle(e).fontSize) < 13)
                .map((e) => e.textContent)"""
            assert page.evaluate(small) == []


SIZES = """[...document.querySelectorAll('#cluster-table tbody tr')]
    .map((row) => Number(row.cells[1].textContent))"""


def test_the_keyboard_sorts(browser, report):
    with opened(browser, report) as page:
        header = page.locator("#cluster-table thead th").nth(1)
        header.locator("button").focus()
        for key, order in (("Enter", "ascending"), ("Space", "descending"), ("Enter", "ascending")):
            page.keyboard.press(key)
            assert header.get_attribute("aria-sort") == order
            sizes = page.evaluate(SIZES)
            assert sizes == sorted(sizes, reverse=order == "descending")
            assert len(sizes) == 12
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert header.get_attribute("aria-sort") == "none"  # one column at a time


def test_the_keyboard_scrolls_a_wide_table(browser, report):
    with opened(browser, report, 360) as page:
        page.locator(".scroll:has(#cluster-table)").focus()
        page.keyboard.press("ArrowRight")
        eventually(page, "document.activeElement.scrollLeft > 0")


STOP = """(() => {
    const stop = document.activeElement, label = stop.getAttribute("aria-labelledby");
    const named = label ? document.getElementById(label) : stop;
    const name = stop.getAttribute("aria-label") ?? named.textContent;
    return [name.trim(), parseFloat(getComputedStyle(stop).outlineWidth)];
})()"""


def test_every_stop_of_the_keyboard_is_named_and_seen(browser, report):
    with opened(browser, report) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        seen = set()
        for _ in range(200):
            page.keyboard.press("Tab")
            name, width = page.evaluate(STOP)
            if page.evaluate("document.activeElement === document.body"):
                break
            assert name
            assert width >= 1
            seen.add(name)
        assert {"Copy", "The 12 clusters Buttons in the column headers sort."} <= seen


def test_what_a_screen_reader_finds(browser, report):
    with opened(browser, report) as page:
        for role, count in (("banner", 1), ("navigation", 1), ("main", 1), ("contentinfo", 1),
                            ("img", 7), ("table", 6)):  # fmt: skip
            assert page.get_by_role(role).count() == count, role
        assert page.get_by_role("heading", level=1).inner_text() == "12 clusters of x.zarr"
        assert page.get_by_role("columnheader", name="mean distance").count() == 1
        assert page.get_by_role("rowheader", name="#11", exact=True).count() >= 1


def test_the_command_is_copied(browser, report):
    with opened(browser, report) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy").click()
        eventually(page, "document.getElementById('copied').textContent === 'Copied'")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator("#command").inner_text()
        assert copied.startswith("streamkm fit kmeans ")


def test_the_live_page_comes_to_its_end(browser, folder):
    with served(folder / "run") as server, opened(browser, server.url, 360, "dark") as page:
        page.wait_for_selector("#status[data-version$=finished] .finished", timeout=60_000)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert page.locator("#announced").inner_text() == "The fit is finished."
        assert page.locator("figure#convergence").count() == 1

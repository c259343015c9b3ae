"""Laws of pictures: what is drawn is what was given, once, and can be read."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.text import Text

from streamkm import KMeans, plots, project
from streamkm.errors import SourceError
from streamkm.metrics.plane import plane
from streamkm.metrics.projection import Projection
from streamkm.plots.badges import moved_apart
from streamkm.plots.courses import courses
from streamkm.plots.plane import neighbor_colors
from streamkm.plots.style import DARK, LIGHT, _luminance, ink_on, number, theme_of

MANY = [1, 3, 36, 400]


def texts(figure):
    """Every text that is seen, with its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    found = []
    for axes in figure.axes:
        hidden = set()
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks() + axis.get_minor_ticks():
                if not low <= tick.get_loc() <= high:
                    hidden.update((tick.label1, tick.label2))
        found += [
            text
            for text in axes.findobj(Text)
            if text not in hidden and axes.get_visible() and (axes.axison or text in axes.texts)
        ]
    found += [t for t in figure.texts if t not in found]
    found += [t for t in (figure._suptitle, figure._supxlabel) if t is not None]
    renderer = canvas.get_renderer()
    seen = [t for t in dict.fromkeys(found) if t.get_visible() and t.get_text().strip()]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in seen]


def assert_readable(figure):
    """No text covers another, none leaves the paper."""
    found = texts(figure)
    boxes = np.array([box.extents for _, box in found])
    low, high = boxes[:, :2], boxes[:, 2:]
    width, height = figure.bbox.size
    assert (low >= -1.5).all()
    assert (high <= [width + 1.5, height + 1.5]).all()
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    covers = (shared > 1.0).all(axis=2) & ~np.eye(len(boxes), dtype=bool)
    assert not covers.any(), [found[i][0] for i in np.flatnonzero(covers.any(axis=1))][:6]


def history(n_restarts=3, n_iter=12, seed=0):
    rng = np.random.default_rng(seed)
    names, records = list(range(n_restarts)), []
    for i in range(1, n_iter + 1):
        values = (1e6 * (1 + 2.0**-i) + 100 * rng.random(n_restarts)).tolist()
        shifts = (10.0**-i * (1 + rng.random(n_restarts))).tolist()
        records.append(
            {"stage": "assign", "restarts": names, "n_iter": [i] * n_restarts, "inertia": values,
             "center_shift": shifts}
        )  # fmt: skip
    closing = (1e6 + 100 * rng.random(n_restarts)).tolist()
    records.append({"stage": "close", "restarts": names, "inertia": closing})
    for at, record in enumerate(records):
        parts = dict(
            zip(("read_s", "decode_s", "compute_s", "merge_s"), rng.random(4).tolist(), strict=True)
        )
        record |= {"pass": at + 1, "seconds": float(rng.random()), **parts}
    return records


def table(n_clusters, n_classes=10, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 50, (n_clusters, n_classes)) ** 2


def projection(n_clusters, rng, n=300):
    labels = rng.integers(0, n_clusters, n).astype(np.int32)
    centers = rng.normal(size=(n_clusters, 2))
    points = centers[labels] + 0.3 * rng.normal(size=(n, 2))
    shares, axes = np.array([0.4, 0.2]), np.eye(2, 5)
    return Projection(
        points,
        labels,
        points,
        n_clusters,
        centers,
        shares,
        axes,
        np.zeros(5),
        np.ones(5),
        5000,
        5000,
    )


@pytest.mark.parametrize("n_clusters", MANY)
def test_every_center_is_drawn_once_in_order(n_clusters, rng):
    centers = rng.random((n_clusters, 64))
    titles = plots.center_titles(rng.integers(1, 9999, n_clusters), table(n_clusters))
    figure = plots.draw_centers(centers, (8, 8), titles, "Centers")
    images = figure.axes[0].images
    drawn = np.stack([np.asarray(image.get_array()).ravel() for image in images])
    assert np.array_equal(drawn, centers)
    corners = [(image.get_extent()[3], image.get_extent()[0]) for image in images]
    assert corners == sorted(corners)
    width, height = figure.get_size_inches()
    assert width <= 12.5
    assert height <= 19
    assert_readable(figure)
    written = [text for text, _ in texts(figure)]
    assert [text.replace("\n", " · ") for text in written if text != "Centers"] == titles


def test_titles_that_cannot_be_read_are_left_out(rng):
    names = ["a class with a very long name · 1,234"] * 400
    figure = plots.draw_centers(rng.random((400, 16)), (4, 4), names)
    assert not figure.axes[0].texts


def test_colors_are_red_green_blue_wherever_the_channels_stand():
    planes = np.stack([np.full((4, 5), level) for level in (0.9, 0.5, 0.1)])
    first = plots.draw_centers(planes.reshape(1, -1), (3, 4, 5))
    last = plots.draw_centers(planes.transpose(1, 2, 0).reshape(1, -1), (4, 5, 3))
    for figure in (first, last):
        image = np.asarray(figure.axes[0].images[0].get_array())
        assert image.shape == (4, 5, 3)
        assert np.allclose(image[2, 3], [0.9, 0.5, 0.1])


def test_drawings_are_ink_on_paper_and_photographs_are_not():
    digit = np.zeros((1, 5, 5))
    digit[0, 1:4, 2] = 16.0
    photograph = np.full((1, 5, 5), 200.0)
    photograph[0, 2, 2] = 40.0
    cases = ((digit, "light", "gray_r"), (digit, "dark", "gray"), (photograph, "light", "gray"))
    for images, theme, cmap in cases:
        drawn = plots.draw_centers(images.reshape(1, 25), (5, 5), theme=theme).axes[0].images[0]
        assert drawn.get_cmap().name == cmap
    assert drawn.get_clim() == (0.0, 255.0)
    with pytest.raises(SourceError, match="not images"):
        plots.draw_centers(np.ones((2, 8)), (8,))


@pytest.mark.parametrize("n_clusters", MANY)
def test_members_are_drawn_where_there_are_any(n_clusters, rng):
    rows = {kind: rng.random((n_clusters, 3, 16)) for kind in ("nearest", "typical", "farthest")}
    rows["farthest"][0, 1:] = np.nan
    distances = {kind: rng.random((n_clusters, 3)) for kind in rows}
    titles = plots.center_titles(rng.integers(1, 9999, n_clusters))
    figure = plots.draw_members(rows, (4, 4), titles, distances)
    m = min(3, max(1800 // (3 * n_clusters), 1))
    lacking = min(2, m - 1)
    assert len(figure.axes[0].images) == 3 * m * n_clusters - lacking
    first = np.asarray(figure.axes[0].images[0].get_array()).ravel()
    assert np.array_equal(first, rows["nearest"][0, 0])
    assert_readable(figure)


@pytest.mark.parametrize("n_features", [1, 6, 300])
def test_members_that_are_no_images_are_lines_or_strips(n_features, rng):
    rows = {kind: rng.random((7, 4, n_features)) for kind in ("nearest", "typical", "farthest")}
    figure = plots.draw_members(rows, (n_features,))
    (axes,) = figure.axes
    if n_features > 24:
        assert len(axes.images) == 7 * 3
        strip = np.asarray(axes.images[0].get_array())
        assert strip.shape == (4, 256)
        assert strip.mean() == pytest.approx(rows["nearest"][0].mean(), abs=0.01)
    else:
        assert sum(len(lines.get_segments()) for lines in axes.collections) == 7 * 3 * 4
    assert_readable(figure)


def test_members_by_cluster_are_those_of_the_cluster(rng):
    clusters = np.sort(rng.integers(0, 5, 30))
    values = rng.random((30, 2))
    stacked = plots.by_cluster(clusters, values, 6)
    for k in range(6):
        known = stacked[k][np.isfinite(stacked[k]).all(axis=1)]
        assert np.array_equal(known, values[clusters == k])


def test_curves_are_those_of_the_history():
    records = history()
    figure = plots.draw_convergence(records)
    lines = figure.axes[0].lines
    assert sum(len(line.get_xdata()) > 1 for line in lines) == 3
    best = int(np.argmin(records[-1]["inertia"]))
    drawn = next(line for line in reversed(lines) if len(line.get_xdata()) > 1)
    assert drawn.get_xdata().tolist() == list(range(13))
    assert drawn.get_ydata().tolist() == [record["inertia"][best] for record in records]
    assert figure.axes[1].get_yscale() == "log"
    assert_readable(figure)
    with pytest.raises(SourceError, match="no iterations"):
        plots.draw_convergence([{"stage": "coreset", "pass": 1, "seconds": 1.0}])


def test_estimates_by_batch_and_the_inertia_of_all_rows_stand_apart():
    steps = [
        {"stage": "steps", "n_iter": [5 * i], "inertia": [9.0 - i], "center_shift": [float("nan")]}
        for i in range(1, 4)
    ]
    (course,) = courses([*steps, {"stage": "close", "restarts": [0], "inertia": [6.5]}]).values()
    assert course.inertia == [(5, 8.0), (10, 7.0), (15, 6.0)]
    assert course.exact == [(15, 6.5)]
    assert not course.shift


def test_a_tree_of_splits_is_drawn_by_pass():
    records = [
        {"pass": 1, "stage": "assign", "round": 1, "nodes": [0, 0], "restarts": [0, 1],
         "n_iter": [1, 1], "center_shift": [4.0, 3.0]},
        {"pass": 2, "stage": "close", "round": 1, "n_leaves": 2, "inertia": [50.0]},
    ]  # fmt: skip
    found = courses(records)
    assert found["tree"].inertia == [(2, 50.0)]
    assert found[1, 0, 0].shift == [(1, 4.0)]
    assert found[1, 0, 1].shift == [(1, 3.0)]
    plots.draw_convergence(records)


def test_measures_are_drawn_with_medians_and_what_is_chosen(rng):
    rows = [
        {"n_clusters": k, "repeat": r, "inertia": 1e9 / k * (1 + rng.random()), "silhouette": None}
        | ({"silhouette": float(rng.random())} if k > 4 else {})
        | {"normalized_mutual_info": 0.5}  # the V-measure by another name: no panel
        for k in (4, 16, 64, 256)
        for r in range(3)
    ]
    figure = plots.draw_measures(rows, chosen={"knee": 16, "silhouette": 64, "asked": 4})
    assert len(figure.axes) == 2
    for axes, name, k in zip(figure.axes, ("inertia", "silhouette"), (16, 64), strict=True):
        values = {}
        for row in rows:
            if row[name] is not None:
                values.setdefault(row["n_clusters"], []).append(row[name])
        medians, dots, *marks = axes.lines
        assert medians.get_xdata().tolist() == list(values)
        assert medians.get_ydata().tolist() == [np.median(v) for v in values.values()]
        assert sorted(dots.get_ydata()) == sorted(v for of_k in values.values() for v in of_k)
        assert sorted(mark.get_xdata()[0] for mark in marks) == sorted([4, k])
        assert axes.get_xscale() == "log"
    assert_readable(figure)
    with pytest.raises(SourceError, match="no measure 'purity'"):
        plots.draw_measures(rows, ["purity"])


@pytest.mark.parametrize("n_clusters", MANY)
def test_confusion_shows_the_shares_of_every_cluster(n_clusters):
    counts = table(n_clusters)
    counts[:, 7] = 0
    figure = plots.draw_confusion(counts, [f"class {c}" for c in range(10)])
    axes = figure.axes[0]
    shares = np.asarray(axes.images[0].get_array())
    assert shares.shape == (9, n_clusters)  # a class without rows has no line
    majority = shares.argmax(axis=0)
    assert (np.diff(majority) >= 0).all()
    expected = np.delete(counts, 7, axis=1) / counts.sum(axis=1, keepdims=True)
    assert np.allclose(np.sort(shares, axis=None), np.sort(expected, axis=None))
    written = [int(text.get_text().replace(",", "")) for text in axes.texts]
    assert sum(written) == (counts.sum() if n_clusters <= 24 else 0)
    assert_readable(figure)


@pytest.mark.parametrize("n_clusters", [1, 36, 400])
@pytest.mark.parametrize("names", [None, "digits", "words"])
def test_sizes_are_bars_of_all_clusters(n_clusters, names, rng):
    sizes = rng.integers(0, 100_000, n_clusters)
    digits = rng.integers(0, 12, n_clusters)
    majority = {None: None, "digits": digits, "words": [f"{'long' * (d % 4)} {d}" for d in digits]}
    figure = plots.draw_sizes(sizes, majority[names])
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert sorted(heights) == sorted(sizes)
    if names is None or n_clusters < 48:
        assert heights == sorted(sizes, reverse=True)
    assert_readable(figure)


@pytest.mark.parametrize("n_clusters", MANY)
def test_a_map_shows_every_point_and_center(n_clusters, rng):
    found = projection(n_clusters, rng)
    figure = plots.draw_map(found)
    (axes,) = figure.axes
    assert np.array_equal(axes.collections[0].get_offsets(), found.points)
    assert "40.0% of the variance" in axes.get_xlabel()
    n_drawn = max(len(line.get_xdata()) for line in axes.lines)
    assert len(axes.texts) == (n_clusters if n_clusters <= 60 else 0)
    assert n_drawn == n_clusters or n_clusters <= 60
    assert_readable(figure)


@pytest.mark.parametrize("n_clusters", [1, 36, 400])
def test_regions_are_what_the_model_says(n_clusters, rng):
    X = rng.normal(size=(600, 2)) * [1.0, 3.0]
    model = KMeans(n_clusters, init=X[:n_clusters], max_iter=2).fit(X)
    figure = plots.draw_clusters_2d(model.labeler_, X, model.cluster_centers_)
    (axes,) = figure.axes
    regions = np.asarray(axes.images[0].get_array())
    left, right, low, high = axes.images[0].get_extent()
    x = np.linspace(left, right, regions.shape[1])
    y = np.linspace(low, high, regions.shape[0])
    colors = neighbor_colors(model.cluster_centers_, len(LIGHT.colors))
    at = rng.integers(0, min(regions.shape), (50, 2))
    places = np.column_stack([x[at[:, 0]], y[at[:, 1]]])
    assert np.array_equal(regions[at[:, 1], at[:, 0]], colors[model.predict(places)])
    assert_readable(figure)
    with pytest.raises(SourceError, match="not points of the plane"):
        plots.draw_clusters_2d(model.labeler_, np.ones((4, 3)))


def test_a_model_of_two_features_of_many_is_drawn_in_the_datas_units(rng):
    frame = pd.DataFrame(
        rng.normal(size=(400, 5)) * [1.0, 50.0, 1.0, 0.1, 9.0], columns=list("abcde")
    )
    model = KMeans(4, columns=[3, 1], scale="standard", random_state=0).fit(frame)
    seen = plane(model, project(model, frame))
    means = [frame.loc[model.labels_ == k, ["d", "b"]].mean() for k in range(4)]
    assert np.allclose(seen.centers, means)
    assert seen.names == ("d", "b")
    assert np.array_equal(seen.points, frame[["d", "b"]])
    others = rng.normal(size=(400, 3)) * 1e3
    rows = np.column_stack(
        [others[:, 0], seen.points[:, 1], others[:, 1], seen.points[:, 0], others[:, 2]]
    )
    labels, sq_dist = seen.assign(seen.points)
    assert np.array_equal(labels, model.predict(pd.DataFrame(rows, columns=list("abcde"))))
    assert sq_dist.sum() == pytest.approx(model.inertia_)
    figure = plots.draw_clusters_2d(seen, seen.points, seen.centers, names=seen.names)
    assert [figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()] == ["d", "b"]
    assert_readable(figure)


def test_time_is_stacked_from_its_parts():
    records = history()
    bars = plots.draw_time(records).axes[0].patches
    total = sum(bar.get_height() for bar in bars)
    parts = ("read_s", "decode_s", "compute_s", "merge_s")
    assert total == pytest.approx(sum(record[part] for record in records for part in parts))
    assert_readable(plots.draw_time(records))
    for record in records:
        del record["decode_s"], record["merge_s"]
    old = plots.draw_time(records)
    assert any("decoding is part of reading" in text for text, _ in texts(old))
    records[3]["compute_s"] = 1000.0
    cut = plots.draw_time(records)
    assert cut.axes[0].get_ylim()[1] < 10.0
    assert any("1,000 s" in text or "1,001 s" in text for text, _ in texts(cut))
    assert_readable(plots.draw_time(records[:1]))


def test_near_clusters_have_different_colors(rng):
    assert neighbor_colors(rng.normal(size=(8, 2)), 8).tolist() == list(range(8))
    marks = rng.normal(size=(400, 2))
    colors = neighbor_colors(marks, 8)
    distance = ((marks[:, None] - marks) ** 2).sum(axis=2) + 1e9 * np.eye(400)
    nearest = distance.argmin(axis=1)
    mutual = np.flatnonzero(nearest[nearest] == np.arange(400))
    assert len(mutual) > 50
    assert (colors[mutual] != colors[nearest[mutual]]).all()
    assert np.bincount(colors, minlength=8).min() > 20


def test_numbers_are_moved_apart_and_no_further_than_needed(rng):
    crowd = np.repeat([[0.0, 0.0]], 5, axis=0)
    points = np.concatenate([crowd, [[50.0, 50.0]]])
    moved = moved_apart(points, 1.0)
    distance = np.sqrt(((moved[:, None] - moved) ** 2).sum(axis=2)) + 1e9 * np.eye(6)
    assert distance.min() > 0.95
    assert np.abs(moved[:5]).max() < 3.0
    assert np.array_equal(moved[5], points[5])


def test_numbers_are_written_for_people():
    values = (0.0, 12.5, 1234.0, 1.25906e11, -2.5e-7, 1e9)
    assert [number(value) for value in values] == [
        "0", "12.5", "1,234", "1.259×10¹¹", "-2.5×10⁻⁷", "1×10⁹",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_figure_gives_the_same_bytes(kind, tmp_path, rng):
    centers = rng.random((4, 64))
    for name in ("a", "b"):
        figure = plots.draw_centers(centers, (8, 8), ["x", "y", "z", "w"], "Four")
        plots.save_figure(figure, tmp_path / f"{name}.{kind}")
    made = (tmp_path / f"a.{kind}").read_bytes()
    assert made == (tmp_path / f"b.{kind}").read_bytes()
    assert b"date" not in made.lower()
    with pytest.raises(SourceError, match="ending"):
        plots.save_figure(figure, tmp_path / "a.jpg")


def test_svg_is_whole_holds_its_text_and_can_share_a_page():
    figure = plots.draw_confusion(table(3), ["<cat>", "$1 & $2", *"abcdefgh"], "Costs $5 or $6")
    first, second = (ET.fromstring(plots.to_svg(figure, name)) for name in ("one", "two"))
    found = "".join(first.itertext())
    for text in ("<cat>", "$1 & $2", "Costs $5 or $6"):
        assert text in found
    ids = [{e.get("id") for e in root.iter() if e.get("id")} for root in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    markup = plots.to_svg(figure, "one")
    for reference in (part.split('"')[0] for part in markup.split('href="#')[1:]):
        assert reference in ids[0]
    targets = [part.split('"')[0] for part in markup.split('href="')[1:]]
    assert all(target.startswith(("#", "data:")) for target in targets)
    assert "@import" not in markup


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_inks_can_be_read_and_colors_be_told_apart(theme):
    def linear(color):
        rgb = np.array(to_rgb(color))
        return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)

    def contrast(a, b):  # WCAG 2.2, "contrast ratio"
        low, high = sorted(linear(c) @ [0.2126, 0.7152, 0.0722] for c in (a, b))
        return (high + 0.05) / (low + 0.05)

    def lab(rgb):  # CIE 1976, from linear sRGB, white D65
        to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        xyz = to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.089]
        f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    assert contrast(theme.ink, theme.paper) > 7
    assert contrast(theme.soft, theme.paper) > 4.5
    assert all(contrast(color, theme.paper) > 2.2 for color in theme.colors)
    # Machado, Oliveira & Fernandes, IEEE TVCG 15(6), 2009, table 1, severity 1.
    kinds = {
        "none": np.eye(3),
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                   [-0.011820, 0.042940, 0.968881]],
        "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
    }  # fmt: skip
    for matrix in kinds.values():
        seen = np.array([lab(np.asarray(matrix) @ linear(color)) for color in theme.colors])
        apart = np.sqrt(((seen[:, None] - seen) ** 2).sum(axis=2)) + 1e9 * np.eye(len(seen))
        assert apart.min() > 12


def test_dark_pictures_hold_what_light_ones_do(rng):
    rows = {"nearest": rng.random((3, 2, 4))}
    makers = (
        lambda theme: plots.draw_centers(rows["nearest"][:, 0], (2, 2), theme=theme),
        lambda theme: plots.draw_members(rows, (4,), theme=theme),
        lambda theme: plots.draw_convergence(history(), theme=theme),
        lambda theme: plots.draw_confusion(table(3), theme=theme),
        lambda theme: plots.draw_sizes(np.array([4, 2]), theme=theme),
        lambda theme: plots.draw_map(projection(3, np.random.default_rng(0)), theme=theme),
        lambda theme: plots.draw_time(history(), theme=theme),
        lambda theme: plots.draw_measures([{"n_clusters": 2, "inertia": 1.0}], theme=theme),
        lambda theme: plots.draw_bench(
            [{"case": "A", "measure": "pass", "contestant": "faiss", "times_as_fast": 2.0}],
            theme=theme,
        ),
    )
    for make in makers:
        light, dark = make("light"), make("dark")
        assert [text for text, _ in texts(light)] == [text for text, _ in texts(dark)]
        assert light.get_facecolor() != dark.get_facecolor()
    with pytest.raises(SourceError, match="theme 'blue' is unknown"):
        makers[0]("blue")


def test_no_state_of_pyplot_and_no_matplotlib_before_the_first_picture():
    code = (
        "import sys, streamkm.plots as p; print('matplotlib' in sys.modules);"
        "p.draw_sizes([3, 1]); print('matplotlib.pyplot' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


def test_examples_run():
    import doctest
    import importlib

    for name in ("centers", "clusters", "measures", "members", "sizes"):
        result = doctest.testmod(importlib.import_module(f"streamkm.plots.{name}"))
        assert result.attempted
        assert not result.failed


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("n_clusters", "n_features"), [(1, 1), (3, 13), (60, 5), (400, 300)])
def test_centers_of_tables_are_drawn_against_the_mean(n_clusters, n_features, theme, rng):
    away = rng.normal(size=(n_clusters, n_features))
    titles = plots.center_titles(rng.integers(1, 9999, n_clusters))
    figure = plots.draw_profiles(away, None, titles, theme=theme)
    axes = figure.axes[0]
    assert np.array_equal(np.asarray(axes.images[0].get_array()), away)
    low, high = axes.images[0].get_clim()
    assert low == -high == -np.abs(away).max()
    assert len(axes.texts) == (away.size if n_features <= 13 and n_clusters <= 48 else 0)
    assert_readable(figure)


def test_titles_have_number_class_and_rows_but_for_clusters_without_rows():
    known = np.array([[5, 0], [0, 0], [1, 9]])
    titles = plots.center_titles(known.sum(axis=1), known, ["east", "west"])
    assert titles == ["#0 · east · 5", "#1 · 0", "#2 · west · 10"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_stand_out_from_every_color_of_the_ramp(theme):
    inks = theme_of(theme)
    for ramp in (inks.ramp, inks.two_ways):
        for color in ramp(np.linspace(0, 1, 50)):
            levels = sorted(_luminance(to_rgba(c)) + 0.05 for c in (ink_on(color, inks), color))
            assert levels[1] / levels[0] > 3.0

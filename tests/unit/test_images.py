"""Folders of images: sizes, colors, classes, and files that are no images."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import streamkm
from streamkm.errors import SourceError
from streamkm.sources import open_source


def save(name, pixels, **how):
    Path("p", name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(Path("p", name), **how)


def test_classes_are_numbered_by_the_names_of_their_folders():
    for name in ("b/2.png", "a/1.png", "a/9.PNG", "c/0.png", "c/1.png", ".hidden/1.png"):
        save(name, np.full((2, 3), 7))
    Path("p/a/notes.txt").write_text("no image")
    Path("p/empty").mkdir()
    source = open_source("p")
    assert source.shape == (5, 6)
    assert source.labels.read(0, 5).tolist() == [0, 0, 1, 2, 2]
    assert source.labels.read(2, 4).tolist() == [1, 2]
    assert source.class_names == ("a", "b", "c")
    store = streamkm.convert("p", "x.zarr")
    assert store.labels.read(0, 5).tolist() == [0, 0, 1, 2, 2]
    assert (store.spec.sample_shape, store.spec.source) == ((2, 3), "p")


def test_one_image_in_color_makes_all_so_channel_by_channel():
    grey, color = np.arange(6).reshape(2, 3), np.arange(18).reshape(2, 3, 3)
    save("1.png", grey)
    save("2.png", color)
    source = open_source("p")
    assert (source.labels, source.info.sample_shape) == (None, (3, 2, 3))
    rows = source.read(0, 2).reshape(2, 3, 2, 3)
    np.testing.assert_array_equal(rows[0], [grey] * 3)
    np.testing.assert_array_equal(rows[1], np.moveaxis(color, -1, 0))
    assert open_source("images:p?mode=grey").read(0, 1).tolist() == [grey.ravel().tolist()]


def test_images_are_resized_over_their_areas():
    save("1.png", np.kron([[0, 100], [200, 40]], np.ones((8, 8))))
    save("2.png", np.full((5, 9), 30))
    with pytest.raises(SourceError, match=r"2\.png is 9 x 5, 1\.png is 16 x 16.*\?size=16x16"):
        open_source("p")
    for size in ("2x2", "2"):
        source = open_source(f"images:p?size={size}")
        assert source.shape == (2, 4)
        pixels = source.read(0, 1)[0]
        assert abs(pixels.mean() - 85) <= 1
        assert pixels.argsort().tolist() == [0, 3, 1, 2]
        assert source.read(1, 2).tolist() == [[30] * 4]
    assert open_source("images:p?size=3x2&mode=color").info.sample_shape == (3, 2, 3)


def test_photographs_stand_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # held on its side
    pixels = np.zeros((8, 24), np.uint8)
    pixels[:, :8] = 255
    save("1.jpg", pixels, exif=exif, quality=100)
    source = open_source("p")
    assert source.info.sample_shape == (24, 8)
    rows = source.read(0, 1).reshape(24, 8)
    assert (rows[:7] > 200).all()
    assert (rows[9:] < 50).all()


def huge_png(side):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "a broken image"),
        (b"<html>not found</html>", "a broken image"),
        (huge_png(9_700), "9700 x 9700 pixels"),
        (huge_png(90_000), "a broken image.*decompression bomb"),
    ],
)
@pytest.mark.filterwarnings("default::PIL.Image.DecompressionBombWarning")
def test_what_is_no_image_is_named(content, says):
    save("a/1.png", np.zeros((2, 2)))
    Path("p/a/2.png").write_bytes(content)
    with pytest.raises(SourceError, match=rf"a/2\.png: .*({says})"):
        open_source("p")


def test_a_truncated_image_is_named_where_it_is_read():
    noise = np.random.default_rng(0).integers(0, 256, (40, 40))
    for name in ("1.png", "2.png"):
        save(name, noise)
    whole = Path("p/2.png").read_bytes()
    Path("p/2.png").write_bytes(whole[: len(whole) // 2])
    source = open_source("p")
    assert source.read(0, 1).tolist() == [noise.ravel().tolist()]
    with pytest.raises(SourceError, match=r"p/2\.png: a broken image"):
        source.read(0, 2)


def test_values_of_sixteen_bits_are_refused_not_cut():
    Path("p").mkdir()
    Image.fromarray(np.full((2, 2), 40_000, np.uint16)).save("p/1.png")
    with pytest.raises(SourceError, match=r"1\.png: more than 8 bits"):
        open_source("p")


@pytest.mark.parametrize(
    ("locator", "says"),
    [
        ("images:p?size=0x3", "WIDTHxHEIGHT"),
        ("images:p?size=3x3x3", "WIDTHxHEIGHT"),
        ("images:p?mode=red", "must be one of grey, color"),
        ("images:p?colour=1", "unknown option 'colour'"),
        ("images:q", "no such file"),
        ("images:p/1.png", "not a folder"),
        ("q", "no images in it"),
    ],
)
def test_what_cannot_be_opened_says_why(locator, says):
    save("1.png", np.zeros((2, 2)))
    if locator == "q":
        Path("q").mkdir()
    with pytest.raises(SourceError, match=says):
        open_source(locator)


def test_images_in_a_folder_and_in_its_folders_are_ambiguous():
    save("1.png", np.zeros((2, 2)))
    save("a/1.png", np.zeros((2, 2)))
    with pytest.raises(SourceError, match="both in it and in its folders"):
        open_source("p")


def test_a_folder_that_changed_is_not_read_out_of_place():
    save("b.png", np.zeros((2, 2)))
    source = open_source("p")
    save("a.png", np.ones((2, 2)))
    with pytest.raises(SourceError, match="2 images, it had 1"):
        source.read(0, 1)

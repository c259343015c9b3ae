"""The command plot, in this process."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from streamkm import KMeans, convert
from streamkm.cli import main


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store of digits with labels, a plane without, and a model of each."""
    folder = tmp_path_factory.mktemp("plot")
    store = convert("digits:600?seed=0", folder / "digits.zarr")
    KMeans(4, n_init=2, max_iter=3, random_state=0).fit(store).save(folder / "digits-model.zarr")
    plane = np.random.default_rng(0).normal(size=(200, 2))
    np.save(folder / "plane.npy", plane)
    KMeans(3, max_iter=3, random_state=0).fit(folder / "plane.npy").save(
        folder / "plane-model.zarr"
    )
    return folder


@pytest.fixture(autouse=True)
def _in_a_copy(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "all")
    monkeypatch.chdir(tmp_path / "all")


def said(capsys):
    return json.loads(capsys.readouterr().out)


def test_all_that_the_inputs_allow_is_drawn(capsys, tmp_path):
    assert main(["plot", "digits-model.zarr", "digits.zarr", "-o", "pictures/new", "--json"]) == 0
    facts = said(capsys)
    names = ("centers", "members", "convergence", "confusion", "sizes", "map", "time")
    folder = tmp_path / "all" / "pictures" / "new"
    assert {path.name for path in folder.iterdir()} == {f"{name}.png" for name in names}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.iterdir())
    assert len(facts["pictures"]) == 7
    assert list(facts["left_out"]) == ["clusters"]


def test_a_plane_shows_its_clusters_and_a_model_alone_itself(capsys):
    assert (
        main(["plot", "plane-model.zarr", "plane.npy", "-o", "p", "--format", "svg", "--json"]) == 0
    )
    facts = said(capsys)
    assert set(facts["left_out"]) == {"confusion"}  # the centers of a table are drawn by feature
    assert "p/clusters.svg" in facts["pictures"]
    assert main(["plot", "digits-model.zarr", "-o", "q", "--theme", "dark", "--json"]) == 0
    facts = said(capsys)
    assert [path.split("/")[1] for path in facts["pictures"]] == [
        "centers.png", "convergence.png", "sizes.png", "time.png",
    ]  # fmt: skip


def test_one_picture_goes_to_one_file(tmp_path, capsys):
    words = ["plot", "digits-model.zarr", "-o", "centers.pdf", "--what", "centers"]
    assert main(words) == 0
    assert (tmp_path / "all" / "centers.pdf").read_bytes().startswith(b"%PDF")
    assert main(words) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["digits-model.zarr", "-o", "a", "--what", "centres"], "centres is unknown; known are"),
        (["digits-model.zarr", "-o", "a.jpg"], "the ending must be .png, .svg or .pdf"),
        (["digits-model.zarr", "-o", "a.png"], "say which picture with --what"),
        (["digits-model.zarr", "-o", "a", "--what", "map"], "map cannot be drawn: it needs"),
        (["plane-model.zarr", "digits.zarr", "-o", "a"], "64 features, but KMeans is expecting 2"),
        (["plane-model.zarr", "plane.npy", "-o", "a", "--what", "confusion"], "have no labels"),
    ],
)
def test_what_cannot_be_drawn_is_one_clear_line(words, message, capsys, tmp_path):
    assert main(["plot", *words]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "all" / "a").exists()

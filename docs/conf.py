"""How Sphinx builds the pages: `sphinx-build -W docs docs/_build`."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

import streamkm  # noqa: E402

project = "streamkm"
author = "the streamkm developers"
copyright = "the streamkm developers"  # noqa: A001 - Sphinx's name
version = release = streamkm.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "reference",
]
exclude_patterns = ["_build", "_ext", "**/sg_execution_times.rst", "sg_execution_times.rst"]
nitpicky = False
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # the signature has them; the text has the meaning
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_attr_annotations = False
# As a list: fields of their own would lose the underscore at the end of a name.
napoleon_custom_sections = [("Attributes", "params_style")]
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_title = "streamkm"
html_static_path = ["_static"]
html_css_files = ["streamkm.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0072b2",
        "color-brand-content": "#0072b2",
    },
    "dark_css_variables": {
        "color-brand-primary": "#56b4e9",
        "color-brand-content": "#56b4e9",
    },
}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "examples",
    "filename_pattern": r"[a-z]\w*\.py$",
    "ignore_pattern": r"_common\.py",
    "within_subsection_order": "gallery.StudiesFirst",
    "reset_argv": "gallery.arguments_of",
    "image_scrapers": ("gallery.saved_pictures",),
    "reset_modules": (),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,
}
suppress_warnings = ["config.cache"]

"""Configuration of the documentation build.

    sphinx-build -W --keep-going docs docs/_build/html

This runs the examples, which takes minutes. With ``-D plot_gallery=0`` they are shown without
results. The build needs no network. The generated folders ``api`` and ``auto_examples`` are not
part of the repository.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]
# Examples read pictures from this folder if it is set; the published ones use simulated glitches.
os.environ.pop("SKGLITCH_DATA", None)

from skglitch import __version__  # noqa: E402

project = "skglitch"
author = "The skglitch developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "api_pages",
    "outside_links",
]
exclude_patterns = ["_build", "_ext"]
templates_path = ["_templates"]
default_role = "literal"
smartquotes = False  # quoted values such as "separate" must stay copyable
maximum_signature_line_length = 88

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

autodoc_typehints = "none"  # docstrings describe the types
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False  # the template of classes lists them
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": [str(HERE.parent / "examples")],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "api/examples",
    "doc_module": ("skglitch",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "copyfile_regex": "",
}

html_theme = "pydata_sphinx_theme"
html_title = "skglitch"
html_static_path = ["_static"]
html_css_files = ["skglitch.css"]
html_show_sourcelink = False
# Pages without a section sidebar.
_ALONE = "install", "tour", "paper", "faq", "contributing", "dependencies", "changelog"
html_sidebars = {page: [] for page in _ALONE}
html_theme_options = {
    "show_prev_next": False,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 9,
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

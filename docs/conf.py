"""How the documentation is built."""

from __future__ import annotations

import partial_restore

project = "partial_restore"
author = "the partial_restore authors"
release = partial_restore.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "partial_restore"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
myst_heading_anchors = 3
nitpicky = False
default_role = "literal"

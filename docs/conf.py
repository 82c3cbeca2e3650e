"""Settings of the documentation site: `make docs`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # generated.py, mathml.py, console_lexer.py

from generated import problem_codes, schema_table

from treegen import __version__

project = "treegen"
author = "The treegen developers"
copyright = "the treegen developers, Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click", "mathml", "console_lexer"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["dollarmath", "substitution", "deflist"]
myst_heading_anchors = 3
myst_substitutions = {
    "problem_codes": problem_codes(),
    **{f"{name}_schema": schema_table(name) for name in ("tree", "domain", "score")},
}

html_theme = "furo"
html_title = f"treegen {release}"
html_static_path = ["static"]
html_css_files = ["treegen.css"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it fetches pages, which browsers refuse to pages that are files
html_theme_options = {"navigation_with_keys": True}
html_math_renderer = "mathml"
pygments_style = "default"
smartquotes = False  # it makes a dash of the two hyphens of an option

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autoclass_content = "class"
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
nitpicky = True
# Types of other libraries and of modules that are not public: no page describes them.
nitpick_ignore_regex = [(r"py:.*", r".*")]

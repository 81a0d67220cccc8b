# SPDX-License-Identifier: GPL-2.0-only
#
# Sphinx: see lab/docs.

project = "kvm-i8254"
language = "en"
highlight_language = "none"
smartquotes = False
nitpicky = True

# Not pages, but parts of pages.
exclude_patterns = ["*-table.rst"]

html_theme = "alabaster"
html_theme_options = {
    "description": "an in-kernel PIT for KVM with lost-tick policies",
    "page_width": "1100px",
    "show_powered_by": False,
}
html_use_index = False
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False

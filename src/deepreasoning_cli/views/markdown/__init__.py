"""Markdown to screen rows, while it is still coming.

`stream` is the entrance. `containers`, `elements` and `tables` lay blocks out, `wrap` breaks rows.
What markdown-it-py and Pygments keep to themselves is met in `parser` and `highlight` alone.
"""

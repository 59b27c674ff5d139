"""Markdown to screen rows, while it is still coming.

`stream` is the entrance. `containers` and `elements` lay blocks out, `wrap` breaks rows. Only `parser`
meets what markdown-it-py keeps to itself, only `highlight` what Pygments does.
"""

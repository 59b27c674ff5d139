"""Markdown to screen rows, while it is still coming.

Open `stream` first. `containers`, `elements` and `tables` lay blocks out, `wrap` breaks rows.
The insides of markdown-it-py and Pygments are used in `parser` and `highlight` alone.
"""

"""Markdown to screen rows, while it is still coming.

Markdown decides style, never which characters are there. Open `stream` first. `block_rules` and
`inline_rules` say what is a mark and what is text, `containers`, `elements` and `tables` lay blocks
out, `wrap` breaks rows. The insides of markdown-it-py are used in `parser` and the rules, those of
Pygments in `highlight` alone.
"""

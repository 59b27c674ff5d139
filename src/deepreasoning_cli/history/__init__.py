"""The history: a journal while a turn runs, a SQLite database afterwards.

It keeps what was paid for, through crashes and full disks. It imports the pipeline's events,
record and money, and modules of the ground floor; never a view, a command or the server. Open
`journal` first, then `store`.
"""

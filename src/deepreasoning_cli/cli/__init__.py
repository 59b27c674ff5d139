"""The command line: one module or package for each command, and the error boundary around them.

It may import every room; only `serve` imports `server`. Open `app.py` first, then `ask.py` and
`runner.py`: they lead one question from its arguments to the views.
"""

"""The pipeline for Python programs: what `from deepreasoning_cli import ask` gives.

It imports every room but `cli` and `server`, and nothing of it is imported before somebody asks for
it. `answer.py` has `ask`. There is no terminal in it and no signal handler: it works in a thread, a
notebook and a worker of Ray.
"""

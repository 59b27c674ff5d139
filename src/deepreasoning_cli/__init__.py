"""A reasoner writes the chain of thought, Claude writes the answer from it."""

__version__ = "0.1.0"

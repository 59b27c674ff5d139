"""Composition root: names in settings → live objects."""

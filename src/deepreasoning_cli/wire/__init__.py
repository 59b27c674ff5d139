"""The public wire formats, pure: dicts in, chunks out, and back."""

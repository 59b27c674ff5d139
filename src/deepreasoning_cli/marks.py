"""Words that nothing in a text can contain: what stands between two of them cannot get out."""

from __future__ import annotations

import hashlib


def mark_for(kind: str, text: str) -> str:
    """A word that does not occur in `text`, the same for the same text: nothing can close it.

    All that goes to the model has to have its part in `text`, down to the names that servers gave:
    whoever knows one part could else foretell the mark.
    """
    salt = 0
    while True:
        digest = hashlib.sha256(f"{salt}:{text}".encode("utf-8", "replace")).hexdigest()
        mark = f"{kind}-{digest[:12]}"
        if mark not in text:
            return mark
        salt += 1

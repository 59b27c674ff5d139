"""A view that is shown everything at once, when the turn is over."""

from __future__ import annotations

from deepreasoning_cli.events import Event
from deepreasoning_cli.views.show import View


class Delayed:
    """Holds the events back until the turn ends, however it ends."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep it."""
        self._events.append(event)

    def close(self, failure: BaseException | None) -> None:
        """Show all of it, then its end."""
        try:
            for event in self._events:
                self._view(event)
        except BaseException as exc:
            self._view.close(exc)
            raise
        self._view.close(failure)

"""`deepreasoning serve` on Ray Serve: the same app, one in each replica.

`serve run ray_serve:deployment` in this folder; docs/serve.md says more.
"""

from __future__ import annotations

from ray import serve
from starlette.types import ASGIApp

from deepreasoning_cli.errors import ConfigError
from deepreasoning_cli.server import create_app
from deepreasoning_cli.settings.loaded import load_settings


def app() -> ASGIApp:
    """Make the app, in the replica. Raises ConfigError where there is no token.

    Without one the app answers its own machine alone, but behind Ray's proxies all the world can
    look as if it were there.
    """
    if not load_settings(None, {}).has_key("serve"):
        raise ConfigError("no token: set keys.serve, or DEEPREASONING_KEYS__SERVE", kind="token")
    return create_app()


class Replica:
    """Holds the app, with the settings of the machine on which it runs."""

    async def check_health(self) -> None:
        """Come back, on the loop that answers requests too: where that hangs, this does."""


deployment = serve.deployment(
    name="deepreasoning",
    max_ongoing_requests=256,  # Ray would let in 5 at once; the app itself stops at serve.streams
    graceful_shutdown_timeout_s=30,  # what serve.drain is elsewhere; Ray kills what still runs
)(serve.ingress(app)(Replica)).bind()

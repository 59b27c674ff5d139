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
    """Make the app, in the replica. Raises ConfigError if there is no token.

    Without a token the app answers only local callers, but behind Ray's proxies every caller can
    look local.
    """
    if not load_settings(None, {}).has_key("serve"):
        raise ConfigError("no token: set keys.serve, or DEEPREASONING_KEYS__SERVE", kind="token")
    return create_app()


class Replica:
    """Holds the app, with the settings of the machine on which it runs."""

    async def check_health(self) -> None:
        """Return, on the loop that also answers requests: if the loop hangs, the check fails."""


deployment = serve.deployment(
    name="deepreasoning",
    max_ongoing_requests=256,  # Ray's default is 5; the app has its own limit, serve.streams
    graceful_shutdown_timeout_s=30,  # like serve.drain; afterwards Ray kills the replica
)(serve.ingress(app)(Replica)).bind()

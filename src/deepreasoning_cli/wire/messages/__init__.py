"""The Anthropic Messages format: `client` for our calls, `asked` and `server` for our server."""

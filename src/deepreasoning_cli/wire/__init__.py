"""The three wire formats, pure: dicts in, events out (`client`), and back (`server`).

Nothing here opens a connection. A format has a module on each side, under the same name."""

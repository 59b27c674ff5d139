"""Models, hosts and rates as data: what a name means on a backend on a given day.

`catalog.toml` holds the facts, `models` their types and the look-up, `load` reads the file and the
user's over it, `live` adds what vendors said. Open `models` first."""

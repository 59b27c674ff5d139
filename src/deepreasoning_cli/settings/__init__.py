"""What the user can set, and where each value came from.

`loaded.load_settings` is the one entry: flags, environment, `config.toml`, defaults. `models` has
the fields; `editor` changes the file. Open `loaded` first."""

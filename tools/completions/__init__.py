"""Static completion scripts for four shells, generated from the app; no Python starts at TAB."""

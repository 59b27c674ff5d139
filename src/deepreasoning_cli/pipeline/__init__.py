"""The domain: a question becomes a search, a chain of thought and an answer.

Plain generators of typed events; nothing here knows a terminal, a network or a file. It imports
`errors` and `sanitize` only. Open `run` first, then `events`."""

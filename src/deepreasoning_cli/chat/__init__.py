"""The REPL: it asks through what it is given, and knows nothing of keys, wiring or HTTP."""

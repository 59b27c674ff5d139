"""One module per command; the app and its one error boundary."""

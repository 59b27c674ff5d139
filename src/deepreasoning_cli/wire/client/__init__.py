"""What a client sends and reads, as pure functions; `errors` says what a vendor's error means."""

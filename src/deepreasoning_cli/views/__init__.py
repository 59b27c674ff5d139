"""Events to terminal, text, JSON."""

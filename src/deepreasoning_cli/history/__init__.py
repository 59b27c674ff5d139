"""What was paid for is kept: a journal while a turn runs, a store afterwards."""

"""What makes the shell completions and the picture in the README, and proves what is promised."""

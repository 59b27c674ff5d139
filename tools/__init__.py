"""What makes the shell completions and the picture in the README; not part of the program."""

"""What the chat keeps of typed entries, and how it starts the editor of the user."""

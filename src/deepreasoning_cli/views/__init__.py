"""Events to what a person or a program reads: terminal, text, files, JSON.

Imports the domain (`events`, `record`, `money`) and nothing that reads settings or the network.
Open `base` first: it says what a view is. Rich is imported only where panels are drawn.
"""

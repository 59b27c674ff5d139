"""Events to what a person or a program reads: terminal, text, files, JSON.

Imports the domain (`events`, `record`, `money`) and nothing that reads settings or the network.
Open `show` first; a view is what it calls `View`. Rich is imported only where panels are drawn.
"""

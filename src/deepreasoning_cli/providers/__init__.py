"""Who is called: the models, the search, the demo, and the accounts at their vendors.

It imports `transport`, `wire.client` and what is below them. Open `api.py` first: what the models
share.
"""

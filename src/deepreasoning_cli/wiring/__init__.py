"""The composition root: names in settings → live objects.

It may import every room but `server` and `cli`. Open `plan.py` first: a TurnRequest comes in, a
Plan goes out. `backend.py` says who is called, `budget.py` what it may cost, `resources.py` opens
the connections.
"""

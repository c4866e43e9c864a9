"""Comparison of the methods of a run: scores with intervals, what can be distinguished, and ranks."""

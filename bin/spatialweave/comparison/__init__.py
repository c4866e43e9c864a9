"""Comparison of the methods of a run: scores with intervals, distinguishable differences, and ranks."""

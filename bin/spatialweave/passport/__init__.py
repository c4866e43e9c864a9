"""Passports of domains: all that the stages have found out about each one, on one page."""

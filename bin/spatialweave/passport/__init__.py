"""Passports of domains: all results of the stages about each domain, on one page."""

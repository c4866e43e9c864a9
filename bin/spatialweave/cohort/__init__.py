"""Comparison of conditions over donors: abundance of domains, expression in them, and their neighbourhoods."""

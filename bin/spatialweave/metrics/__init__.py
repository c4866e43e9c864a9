"""Metrics of embeddings, domains and matches, with and without labels."""

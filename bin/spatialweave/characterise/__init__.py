"""Characterisation of domains: markers, gene sets, names, shapes and neighbours (docs/characterise.md)."""

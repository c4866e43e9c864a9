"""Graphs over spots: spatial and feature neighbours, mutual nearest neighbours."""

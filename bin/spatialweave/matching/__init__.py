"""Matching of the spots of two sections."""

"""Slides of domains as PDF, PNG and SVG (PASSPORTS)."""

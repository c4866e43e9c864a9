"""Readers, the data contract between stages, and safe writing."""

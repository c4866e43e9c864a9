"""Registration of consecutive sections, and matching of their spots."""

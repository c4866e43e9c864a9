"""Registration of consecutive sections."""

"""Statistics over blocks of tissue, which are nearly independent where neighbouring spots are not."""

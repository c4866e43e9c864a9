"""How good an embedding and its domains are, with and without labels."""

"""Building blocks that methods share: sparse products, layers, losses. None knows a method's name."""

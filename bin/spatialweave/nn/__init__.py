"""Building blocks that methods share: sparse products, layers, losses, triplet mining. None knows a method's name."""

"""Building blocks that methods share: sparse propagation, layers, losses, triplet mining. None knows a method's name."""

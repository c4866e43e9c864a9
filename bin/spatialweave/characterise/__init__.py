"""What the domains are: their markers, gene sets, names, shapes and neighbours (docs/characterise.md)."""

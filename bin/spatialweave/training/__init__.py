"""What all methods train with: the run's device and seeds, the loop, stop rules, checkpoints, masks."""

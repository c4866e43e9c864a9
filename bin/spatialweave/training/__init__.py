"""Training parts that all methods share: the run's device and seeds, the loop, stop rules, checkpoints, masks."""

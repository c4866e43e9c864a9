"""The one training loop: optimiser, early stop, checkpoints, progress, seeds, devices."""

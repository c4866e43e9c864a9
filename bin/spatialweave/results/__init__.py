"""What the stages have found out about a dataset, read from their files: its spots, runs, counts and records."""

"""What the stages have found out about a dataset, read from their files; and its titles, UMAPs and first run."""

"""Assembly of all results of one dataset in one file, for further analysis."""

"""Everything of one dataset in one file, for further analysis."""

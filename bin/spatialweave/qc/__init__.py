"""Quality control of a section: figures per spot, thresholds, tables and plots of what was removed and why."""

"""Quality control of a section: metrics per spot, thresholds, tables and plots of what was removed and why."""

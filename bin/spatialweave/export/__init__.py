"""The results of a dataset in the formats of the programs that labs go on with, one module per format."""

"""spatialweave: spatial multi-omics integration, from count matrices to domains and the evidence for them."""

__version__ = "0.1.0"

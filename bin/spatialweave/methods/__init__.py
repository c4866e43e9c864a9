"""Integration methods, one module each: :mod:`spatialweave.method` defines what a module provides."""

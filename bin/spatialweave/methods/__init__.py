"""The integration methods, one module each: see :mod:`spatialweave.method` for what a module provides."""

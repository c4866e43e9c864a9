"""Code shared by methods of other libraries."""

"""What methods of other libraries share."""

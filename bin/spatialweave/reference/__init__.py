"""A dataset as the reference of others: saving a trained run, and labelling new sections by it."""

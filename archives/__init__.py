"""A year's bills as plain files that verify with no node running."""

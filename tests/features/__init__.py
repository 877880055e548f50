"""What each user needs, row by row of the table of features: a test carries its row's number, as `test_11_…`."""

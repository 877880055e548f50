"""How fast the program is, how near the machine's limit, and what was learned making it so. Run by `medbill bench`."""

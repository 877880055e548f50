"""Pages and pictures that are made from the program's own tables."""

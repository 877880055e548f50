"""Drills: a whole network of real processes loses something, and an operator brings it back by commands."""

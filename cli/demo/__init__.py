"""The story of the system in about two minutes: scenes that print the command that anyone can repeat."""

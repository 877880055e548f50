"""The font that faces are printed in, its licence, and the script that made it."""

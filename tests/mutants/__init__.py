"""Seeded bugs: small patches of the rules, each of which must be found. `python -m tests.mutants` finds them."""

"""The other sides, for tests and demonstrations: servers that speak what the channels speak, with keys of their own.

They were written after the same public texts as the channels, check signatures with code of their own, and have nothing to do with
the companies and bureaus whose messages they repeat. No money moves.
"""

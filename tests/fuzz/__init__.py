"""Hostile bytes: what decoders, checks and files do with whatever is given to them. Source: RELIABILITY 1.2 row 19, Y8."""

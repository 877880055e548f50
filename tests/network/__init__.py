"""Whole networks: real processes, real TLS, real disks."""

"""Faults between and in real processes: a proxy on every link, signals, floods, and a history that must hold."""

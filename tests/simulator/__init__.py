"""Real replicas on a fake clock, network and disk. One seed is one run; `python -m tests.simulator --help`."""

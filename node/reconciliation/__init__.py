"""Payments of ours against the channel's statement, the bank's credits and the bills: a day, a channel, a signed result."""

"""Services of organisations that run no node: an insurer's, and whatever has its shape."""

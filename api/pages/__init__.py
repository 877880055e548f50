"""Pages for people: static files that a gateway and a mirror serve beside `/v1`."""

"""The command `medbill`: nouns and verbs over a running network, its homes and its files."""

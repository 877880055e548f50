"""Running processes: validators, the archive with its sealer, gateways with their outbox. Saves, sends and waits for the core."""

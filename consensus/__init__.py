"""How validators agree on blocks: PBFT as a state machine. `replica.Replica.step(event) -> effects` is the whole of it."""

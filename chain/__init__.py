"""What is agreed: bytes, operations, blocks, rules, state, storage, proofs. Knows nothing of networks or consensus."""

"""A hospital's side of payments, credit, splits, deposits, appointments and visits."""

"""Faces: a bill as people see it, as PDF or OFD, with its proof inside."""

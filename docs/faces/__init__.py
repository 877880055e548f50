"""Pictures of faces, made from invented bills: `python -m docs.faces`."""

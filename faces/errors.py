"""What can go wrong while a face is made."""

from __future__ import annotations


class FaceError(Exception):
    """Our own fault: a template, the font or a writer. `code` is stable."""

    code = "internal_error"


class FontDamaged(FaceError):
    """The font that is shipped cannot be read. Whoever prints without it prints blanks."""


class RenderingFailed(FaceError):
    """The typesetter refused a template. Its message names lines of ours and nothing of the bill."""

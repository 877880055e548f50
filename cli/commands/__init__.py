"""One file per noun. What a command needs beyond typer is imported when it runs, so that every call starts fast."""

"""REST: `build_app` makes the ASGI app that a gateway or mirror serves. Design and tables: README.md."""

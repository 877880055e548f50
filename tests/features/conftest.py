"""The example network of `tests/network`, for the rows that need one, or one of their own."""

from tests.network.conftest import network, own_network  # noqa: F401 - fixtures

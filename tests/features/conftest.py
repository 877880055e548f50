"""The example network of `tests/network`, for the rows that need one."""

from tests.network.conftest import network  # noqa: F401 - a fixture

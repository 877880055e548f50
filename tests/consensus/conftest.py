"""Four members on a table."""

from __future__ import annotations

import pytest

from tests.consensus.cluster import Cluster


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()

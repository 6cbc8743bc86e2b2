"""The practice's tests work at a front desk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import MASTER_KEY
from tests.practice.office import Office, open_office


@pytest.fixture
async def office(admin_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(admin_url, MASTER_KEY, tmp_path) as opened:
        yield opened

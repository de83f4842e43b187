"""What two do at the same moment, on PostgreSQL: neither is refused without reason, and the books agree afterwards."""

import os
import subprocess
import sys
import uuid

import pytest

from tests.site import ROOT

SCENES = (
    "ask while its budget is removed",
    "remove a budget whose period is being opened",
    "change a budget whose period is being opened",
    "give more of a budget that is removed",
    "close a month in which a late reply ends",
    "correct a reply of a month that is closed",
    "correct by the same bill",
    "send the same message",
)


@pytest.mark.parametrize("scene", SCENES)
def test_two_at_once(scene, postgres, tmp_path):
    database = postgres.create(f"meeting-{uuid.uuid4().hex[:8]}", template="prepared")
    run = {**os.environ, "CHAT_DATA": str(tmp_path), "DATABASE_URL": database}
    acted = subprocess.run(
        [sys.executable, "-m", "tests.meeting", scene], cwd=ROOT, env=run, capture_output=True, text=True
    )
    assert acted.returncode == 0, acted.stderr[-2000:]

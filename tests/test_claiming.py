"""However many processes claim at once, a provider never has more streams than it allows."""

import os
import subprocess
import sys
import uuid

import psycopg

from tests.servers import PostgresServer
from tests.site import ROOT, wait_for

PROCESSES, STREAMS = 4, 3


def test_processes_that_claim_at_once_never_exceed_the_providers_streams(postgres: PostgresServer, tmp_path):
    url = postgres.create(f"claims-{uuid.uuid4().hex[:8]}", template="prepared")
    environment = {**os.environ, "DATABASE_URL": url, "CHAT_DATA": str(tmp_path)}

    def begun(*deed: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "tests.claiming", *deed]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)

    assert begun("make", str(STREAMS)).wait() == 0
    with psycopg.connect(url) as gate:
        gate.execute("SELECT 1 FROM chat_provider WHERE name = 'Lab' FOR UPDATE")
        claiming = [begun("claim") for _ in range(PROCESSES)]
        wait_for(lambda: waiting(url) == PROCESSES, 60)
    seen = [int(process.communicate()[0]) for process in claiming]
    assert max(seen) == STREAMS


def waiting(url: str) -> int:
    """How many claims wait for the provider's row."""
    with psycopg.connect(url) as looking:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return looking.execute(query).fetchone()[0]

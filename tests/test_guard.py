"""Where the door to upstreams does not lead: on the transport that ships, against a server that must see nobody."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
from aiohttp.abc import AbstractResolver

from chat.upstream import client, guard
from chat.upstream.contract import Endpoint, Failure
from chat.upstream.guard import place_of
from tests.scripted import Answer, ScriptedUpstream, Send, whole

METADATA = "169.254.169.254"


class Listener:
    """Takes connections on all addresses of this machine, IPv6 too, and counts them."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self.socket.getsockname()[1]
        self.seen = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.seen += 1
            connection.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.socket.close()


class ScriptedNames(AbstractResolver):
    """Resolves each name to what the test says; of several lists each look-up takes the next."""

    def __init__(self, names: dict[str, list[list[str]]]) -> None:
        self.names = names

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[dict]:
        answers = self.names[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in found
        ]

    async def close(self) -> None: ...


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What names resolve to, in place of the system's resolver."""
    names: dict[str, list[list[str]]] = {}
    monkeypatch.setattr("aiohttp.connector.DefaultResolver", lambda **_: ScriptedNames(names))
    return names


def trouble(base_url: str, *, local: bool = False) -> Failure:
    with pytest.raises(client.UpstreamError) as raised:
        client.list_models(Endpoint(base_url, "default", local=local))
    return raised.value.failure


# An address is what it leads to, however it is written

THIS_MACHINE = [
    "127.0.0.1",
    "127.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "localhost",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
]

# Understood by resolvers, but not by the client, which takes IPv4 in its usual form only.
UNUSUAL = {"127.1", "2130706433", "017700000001", "0177.0.0.1", "0", "0300.0250.1.1", "2852039166"}
UNUSUAL |= {"0251.0376.0251.0376"}


@pytest.mark.parametrize("host", THIS_MACHINE)
def test_this_machine_is_not_reached_however_it_is_written(host: str, listener: Listener) -> None:
    failure = trouble(f"http://{host}:{listener.port}/v1")
    assert failure.code == ("no_address" if host in UNUSUAL else "local_address"), failure
    assert not failure.retryable
    assert listener.seen == 0


NETWORKS = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "[fd12::1]", "0300.0250.1.1"]


@pytest.mark.parametrize("host", NETWORKS)
def test_private_networks_are_refused_before_anything_is_sent(host: str) -> None:
    assert trouble(f"http://{host}:9/v1").code == ("no_address" if host in UNUSUAL else "local_address")


NEVER = [
    METADATA,
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.7.7",
    "192.0.0.192",
    "100.100.100.200",
    "168.63.129.16",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "224.0.0.1",
    "255.255.255.255",
    "[ff02::1]",
]


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("host", NEVER)
def test_metadata_link_local_and_multicast_are_refused_to_local_providers_too(host: str, local: bool) -> None:
    assert trouble(f"http://{host}:9/v1", local=local).code == ("no_address" if host in UNUSUAL else "never_address")


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert place_of(address) == "public"


def test_what_hides_in_teredo_and_isatap_is_seen() -> None:
    assert place_of("2001:0:808:808:0:0:f5ff:fffe") == "local"  # 10.0.0.1, inverted
    assert place_of("2606:4700::5efe:a9fe:a9fe") == "never"
    assert place_of("fe80::1%eth0") == "never"


# Names


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_resolves_to_this_machine_is_refused(address: str, names: dict, listener: Listener) -> None:
    names["models.example"] = [[address]]
    failure = trouble(f"http://models.example:{listener.port}/v1")
    assert failure.message == f"models.example:{listener.port}: {address} is an address in a private network."
    assert listener.seen == 0


def test_of_a_name_with_several_addresses_none_that_is_private_is_reached(names: dict, listener: Listener) -> None:
    names["models.example"] = [["127.0.0.1", "::1", "127.0.0.2"]]
    assert trouble(f"http://models.example:{listener.port}/v1").code == "local_address"
    assert listener.seen == 0


def test_a_name_that_resolves_to_something_else_the_next_time_is_checked_again(
    names: dict, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding. Loopback stands for a public address here, as long as it is called 127.0.0.1."""
    monkeypatch.setattr(guard, "place_of", lambda address: "public" if address == "127.0.0.1" else place_of(address))
    upstream.script("/v1/models", whole({"data": [{"id": "tiny"}]}, headers={"Connection": "close"}))
    monkeypatch.setattr("aiohttp.connector._DNSCacheTable.expired", lambda *_: True)
    names["models.example"] = [["127.0.0.1"], ["127.0.0.2"]]
    endpoint = Endpoint(f"http://models.example:{upstream.port}/v1", "default")

    async def ask_twice() -> Failure:
        first = await client._list_models(endpoint, connect=5, total=5)
        assert [model.id for model in first] == ["tiny"]
        try:
            await client._list_models(endpoint, connect=5, total=5)
        except client.UpstreamError as error:
            return error.failure
        finally:
            await client.aclose()

    assert asyncio.run(ask_twice()).code == "local_address"
    assert len(upstream.requests) == 1


# What is allowed


def test_a_local_provider_is_reached(upstream: ScriptedUpstream) -> None:
    upstream.script("tiny")
    assert [model.id for model in client.list_models(Endpoint(upstream.base_url, "default", local=True))] == ["tiny"]


def test_a_connection_of_a_local_provider_serves_no_other(upstream: ScriptedUpstream) -> None:
    upstream.script("tiny")

    async def ask_both() -> str:
        await client._list_models(Endpoint(upstream.base_url, "default", local=True), connect=5, total=5)
        try:
            await client._list_models(Endpoint(upstream.base_url, "default"), connect=5, total=5)
        except client.UpstreamError as error:
            return error.failure.code
        finally:
            await client.aclose()

    assert asyncio.run(ask_both()) == "local_address"
    assert len(upstream.requests) == 1


def test_a_redirect_is_not_followed(upstream: ScriptedUpstream, listener: Listener) -> None:
    where = {"Location": f"http://127.0.0.1:{listener.port}/v1/models"}
    upstream.script("/v1/models", Answer([Send(b"gone")], 302, where))
    assert trouble(upstream.base_url, local=True).kind == "bad_request"
    assert listener.seen == 0


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_proxy_of_the_environment_leads_around_it(
    proxy: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(proxy, f"http://127.0.0.1:{listener.port}")
    assert trouble("http://10.0.0.1:9/v1").code == "local_address"
    assert listener.seen == 0


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:1/", "unix:/x"])
def test_only_http_and_https_are_spoken(address: str) -> None:
    assert trouble(address, local=True).code == "no_address"

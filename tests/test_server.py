"""The server under abuse and at its end: a real process, real TCP, raw sockets. `probe_asgi` is the application."""

import base64
import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).parent.parent
MiB = 2**20


class Probe:
    """The server in a process of its own. Words of its output and lines of its log can be looked at when it ended."""

    def __init__(self, **options: Any) -> None:
        command = [sys.executable, "-m", "tests.probe_asgi", json.dumps(options)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.output = self.log = ""
        first = self.process.stdout.readline()
        assert first.startswith("listening"), self.finish()
        self.port = int(first.split()[1])
        self.memory_at_first = self.memory

    @property
    def memory(self) -> int:
        return psutil.Process(self.process.pid).memory_info().rss

    @property
    def state(self) -> dict[str, int]:
        return json.loads(self.get("/state")[1])

    def signal(self, signum: int = signal.SIGTERM) -> None:
        self.process.send_signal(signum)

    def finish(self, timeout: float = 12) -> int:
        """Wait for the end: the exit code. Output and log are whole then."""
        self.output, self.log = self.process.communicate(timeout=timeout)
        return self.process.returncode

    def stop(self) -> int:
        self.signal()
        return self.finish()

    # Clients

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def get(self, path: str, *headers: str, body: bytes = b"") -> tuple[int, bytes]:
        with self.connect() as client:
            client.sendall(request(path, *headers, "Connection: close", body=body))
            return parsed(read_all(client))

    def handshake(self, path: str, *headers: str) -> socket.socket:
        """Asks for a socket, without waiting for the answer."""
        client = self.connect()
        client.sendall(handshake(path, *headers))
        return client

    def open(self, path: str) -> socket.socket:
        """A raw open socket: for frames that no library sends."""
        client = self.handshake(path)
        assert status_of(client.recv(4096)) == 101
        return client

    def websocket(self, path: str, **kwargs: Any) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}{path}", compression=None, max_size=None, **kwargs)


def request(path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", "Host: chat.example", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin1") + body


def post_head(*headers: str) -> bytes:
    return request("/", *headers).replace(b"GET", b"POST", 1)


def handshake(path: str, *headers: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
    return request(path, *upgrade, *headers)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, length: int | None = None) -> bytes:
    """A masked frame; `length` lies about the payload's."""
    size = len(payload) if length is None else length
    if size < 126:
        head = struct.pack("!BB", fin << 7 | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", fin << 7 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", fin << 7 | opcode, 0x80 | 127, size)
    return head + bytes(4) + payload  # a mask of zeros


TEXT, PING = 1, 9


def read_all(client: socket.socket) -> bytes:
    """Until the server closes, by whatever means."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(65536):
            received += chunk
    return received


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def parsed(answer: bytes) -> tuple[int, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return status_of(head), body


def close_code(client: socket.socket) -> int | None:
    """The code of the close frame that ends what the server sends; None if it dropped us without one."""
    received = read_all(client)
    at = received.rfind(b"\x88")
    return struct.unpack("!H", received[at + 2 : at + 4])[0] if at >= 0 else None


def seconds_until_closed(client: socket.socket) -> float:
    start = time.monotonic()
    read_all(client)
    return time.monotonic() - start


def closed_with(page: ClientConnection) -> int | None:
    """Read it to its end: the code with which the server closed it."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            page.recv(timeout=5)
    return page.close_code


def pour(client: socket.socket, data: bytes, size: int) -> int:
    """Send `data` again and again, `size` bytes of it or until the server refuses: how much went out."""
    sent = 0
    with contextlib.suppress(ConnectionError, TimeoutError):
        while sent < size:
            sent += client.send(data)
    return sent


def until(condition: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


@contextlib.contextmanager
def running(options: dict[str, Any] | None = None, **limits: float) -> Iterator[Probe]:
    """A server of one's own, with limits as small as the test's patience."""
    server = Probe(limits={**QUICK, **limits}, **(options or {}))
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.finish()


QUICK = {"tick_seconds": 0.1, "linger_seconds": 0.5}


@pytest.fixture(scope="module")
def common() -> Iterator[Probe]:
    """One server for all tests that leave it as it was."""
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def hasty() -> Iterator[Probe]:
    """One server that waits for nobody longer than a second."""
    small = {"header_seconds": 1, "body_seconds": 1, "keep_alive_seconds": 2, "stall_seconds": 1, "linger_seconds": 0.5}
    with running(**small, handshake_seconds=0.5, application_seconds=0.5) as server:
        yield server


# Starting


def test_a_port_in_use_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "tests.probe_asgi", json.dumps({"port": port})]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10)
    assert ended.returncode == 1
    assert ended.stderr == f"Cannot listen on 127.0.0.1:{port}: Address already in use.\n"


def test_a_start_that_fails_ends_the_process() -> None:
    command = [sys.executable, "-m", "tests.probe_asgi", json.dumps({"fail": "start"})]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10)
    assert ended.returncode == 1
    assert ended.stderr.endswith("RuntimeError: no database\n")
    assert ended.stdout == "stopping\nsettled\n"  # what had started is ended


# Leaving


def test_sigterm_loses_nothing_in_the_worst_mix() -> None:
    """Stock Daphne saves nothing here: one connection without an application ends its whole drain in a KeyError."""
    with running() as server, server.websocket("/inline") as inline, server.websocket("/detached") as detached:
        others = [server.handshake("/undecided"), server.connect(), server.connect(), server.connect()]
        others[1].sendall(b"POST / HTTP/1.1\r\nContent-Le")
        others[2].sendall(post_head("Content-Length: 100000") + b"slow")
        others[3].sendall(request("/state"))
        inline.recv(timeout=5)
        server.signal()
        assert [closed_with(inline), closed_with(detached)] == [4012, 4012]
        start = time.monotonic()
        assert server.finish() == 0
        assert time.monotonic() - start < 4
    assert {"inline saved", "background saved", "settled", "served"} <= set(server.output.splitlines())
    assert server.log == ""


def test_a_second_signal_changes_nothing() -> None:
    with running({"settling_seconds": 1}) as server:
        with server.websocket("/detached") as page:
            page.send("hello")
            page.recv(timeout=5)
            server.signal()
            for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                time.sleep(0.1)
                server.signal(signum)
            assert server.finish() == 0
    assert server.output.splitlines() == ["stopping", "background saved", "settled", "served"]
    assert server.log == ""


def test_sigint_leaves_as_well() -> None:
    with running() as server:
        server.signal(signal.SIGINT)
        assert server.finish() == 0
    assert "settled" in server.output


def test_a_settling_that_never_ends_is_left() -> None:
    with running({"settling_seconds": 60}, before_stop_seconds=0.5) as server:
        server.signal()
        assert server.finish(timeout=4) == 0
    assert "settled" not in server.output
    assert "before_stop did not end" in server.log


def test_a_settling_that_fails_is_logged() -> None:
    with running({"fail": "stop"}) as server:
        assert server.stop() == 0
    assert "settling failed" in server.log


def test_a_worker_thread_that_hangs_does_not_keep_the_process() -> None:
    with running(exit_seconds=2) as server:
        server.get("/thread")
        start = time.monotonic()
        assert server.stop() == 1
        assert time.monotonic() - start < 4
    assert "settled" in server.output


@pytest.mark.parametrize("size", [10, 3 * MiB])
def test_an_answer_under_way_still_arrives(size: int) -> None:
    with running() as server, server.connect() as client:
        client.sendall(request(f"/slow?{size}", "Connection: close"))
        time.sleep(0.1)
        server.signal()
        time.sleep(0.6)
        assert parsed(read_all(client)) == (200, b"x" * size)
        assert server.finish() == 0


def test_nobody_enters_while_the_server_leaves() -> None:
    with running({"settling_seconds": 1}) as server, server.connect() as client:
        client.sendall(request("/state"))
        assert status_of(client.recv(4096)) == 200
        server.signal()
        time.sleep(0.3)
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        client.sendall(handshake("/echo"))
        assert status_of(client.recv(4096)) == 503


def test_pages_that_settling_left_open_are_told_to_come_again() -> None:
    with running({"leave_open": True}) as server, server.websocket("/echo") as page:
        server.signal()
        assert closed_with(page) == 4012
        assert server.finish() == 0


def test_nothing_follows_a_close() -> None:
    with running({"settling_seconds": 0.3}) as server, server.open("/inline") as client:
        server.signal()
        assert read_all(client).endswith(b"restart")


def test_what_is_cancelled_may_use_the_time_that_is_left() -> None:
    with running() as server, server.open("/stubborn"):
        assert server.stop() == 0
    assert "stubborn saved" in server.output


# Bodies


def disk_held(server: Probe) -> int:
    """Bytes in the deleted files that the server holds open."""
    held = 0
    for entry in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            status = entry.stat()
            held += status.st_size if status.st_nlink == 0 else 0
    return held


def test_a_body_too_long_is_refused_at_its_header(common: Probe) -> None:
    with common.connect() as client:
        client.sendall(post_head(f"Content-Length: {300 * MiB}"))
        answer = client.recv(4096)
        assert parsed(answer) == (413, b"413 Content Too Large\n")
        assert b"connection: close" in answer.lower()
        pour(client, bytes(65536), 40 * MiB)
        assert disk_held(common) == 0


def test_a_body_too_long_is_not_asked_for(common: Probe) -> None:
    with common.connect() as client:
        client.sendall(post_head(f"Content-Length: {300 * MiB}", "Expect: 100-continue"))
        assert parsed(read_all(client)) == (413, b"413 Content Too Large\n")


def test_who_sends_all_of_a_body_too_long_still_gets_the_answer() -> None:
    with running(body_bytes=MiB, linger_seconds=2) as server, server.connect() as client:
        client.sendall(post_head(f"Content-Length: {9 * MiB}"))
        assert pour(client, bytes(65536), 9 * MiB) == 9 * MiB
        assert status_of(client.recv(4096)) == 413


def test_a_chunked_body_is_counted_as_it_comes() -> None:
    with running(body_bytes=2 * MiB) as server:
        before = server.memory
        with server.connect() as client:
            client.sendall(post_head("Transfer-Encoding: chunked"))
            chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
            pour(client, chunk, 30 * MiB)
            assert parsed(read_all(client)) == (413, b"413 Content Too Large\n")
        assert server.memory - before < 8 * MiB
        until(lambda: server.state["bodies"] == 0)
        assert disk_held(server) == 0


def test_a_chunked_body_that_ends_too_late_is_not_served() -> None:
    with running(body_bytes=10) as server, server.connect() as client:
        client.sendall(post_head("Transfer-Encoding: chunked") + b"14\r\n" + bytes(20) + b"\r\n0\r\n\r\n")
        assert status_of(read_all(client)) == 413
        until(lambda: server.state["connections"] == 1)
        assert server.state["served"] == 0


def test_a_chunked_body_within_the_limit_arrives(common: Probe) -> None:
    with common.connect() as client:
        client.sendall(post_head("Transfer-Encoding: chunked", "Connection: close"))
        client.sendall(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
        assert json.loads(parsed(read_all(client))[1])["body"] == 7


def test_all_bodies_together_have_a_limit() -> None:
    with running(bodies_bytes=2 * MiB) as server:
        first, second = server.connect(), server.connect()
        for client in (first, second):
            client.sendall(post_head(f"Content-Length: {2 * MiB}") + bytes(3 * MiB // 2))
        answers = {client.recv(4096)[:12] for client in (first, second) if readable(client)}
        assert answers == {b"HTTP/1.1 503"}
        first.close()
        second.close()
        until(lambda: server.state["bodies"] == 0)
        assert server.get("/", body=bytes(MiB))[0] == 200
        assert server.state["bodies"] == 0


def readable(client: socket.socket, seconds: float = 1) -> bool:
    return bool(select.select([client], [], [], seconds)[0])


def test_a_handshake_has_no_body(common: Probe) -> None:
    with common.handshake("/echo", "Content-Length: 1000000") as client:
        assert status_of(client.recv(4096)) == 413


def test_forms_are_left_to_the_application(common: Probe) -> None:
    """Twisted would parse them in the loop, and answer a bad one itself."""
    status, body = common.get("/", "Content-Type: multipart/form-data; boundary=x", body=b"not multipart")
    assert (status, json.loads(body)["body"]) == (200, 13)


# Slowness


def drip(client: socket.socket, data: bytes) -> float:
    """A byte each tenth of a second: after how long the server cut it."""
    client.settimeout(0.1)
    start = time.monotonic()
    for byte in data:
        assert time.monotonic() - start < 5, "it was not cut"
        with contextlib.suppress(TimeoutError):
            try:
                client.sendall(bytes([byte]))
                if client.recv(4096) == b"":
                    break
            except ConnectionError:
                break
    return time.monotonic() - start


def test_headers_have_a_deadline_that_no_byte_puts_off(hasty: Probe) -> None:
    with hasty.connect() as client:
        assert 0.9 < drip(client, request("/" + "x" * 100)) < 3


def test_a_connection_that_says_nothing_is_closed(hasty: Probe) -> None:
    with hasty.connect() as client:
        assert 0.9 < seconds_until_closed(client) < 3


def test_the_next_request_has_the_same_deadline(hasty: Probe) -> None:
    with hasty.connect() as client:
        client.sendall(request("/state"))
        client.recv(4096)
        time.sleep(1.2)  # idle is not slow
        assert 0.9 < drip(client, request("/" + "x" * 100)) < 3


def test_an_idle_connection_is_closed(hasty: Probe) -> None:
    with hasty.connect() as client:
        for _ in range(2):
            client.sendall(request("/state"))
            assert client.recv(4096)
            time.sleep(1.2)
        assert 0.6 < seconds_until_closed(client) < 3


def test_a_body_that_stops_is_cut(hasty: Probe) -> None:
    with hasty.connect() as client:
        client.sendall(post_head("Content-Length: 100000") + bytes(50_000))
        assert 0.9 < seconds_until_closed(client) < 3


def test_a_body_that_drips_is_cut(hasty: Probe) -> None:
    with hasty.connect() as client:
        client.sendall(post_head("Content-Length: 100000"))
        assert 0.9 < drip(client, bytes(100)) < 3


def test_a_slow_but_steady_body_arrives(hasty: Probe) -> None:
    with hasty.connect() as client:
        client.sendall(post_head("Content-Length: 4000"))
        for _ in range(20):
            client.sendall(bytes(200))
            time.sleep(0.1)
        assert status_of(client.recv(4096)) == 200


def test_who_does_not_read_a_response_is_dropped(hasty: Probe) -> None:
    with hasty.connect() as client:
        before = hasty.memory
        client.sendall(request("/endless"))
        time.sleep(0.3)
        sent = hasty.state["sent"]
        time.sleep(0.3)
        assert hasty.state["sent"] == sent
        assert hasty.memory - before < 8 * MiB
        until(lambda: hasty.state["channels"] == 1)  # ours, which asks


def test_who_leaves_the_end_of_a_response_unread_is_dropped(hasty: Probe) -> None:
    with hasty.connect() as client:
        client.sendall(request(f"/slow?{8 * MiB}", "Connection: close"))
        until(lambda: hasty.state["channels"] == 2)
        until(lambda: hasty.state["channels"] == 1)
        assert len(read_all(client)) < 8 * MiB


# Floods


def test_a_flood_that_nobody_reads_is_closed() -> None:
    with running(frames_per_tick=10**9, linger_seconds=2) as server:
        with server.open("/deaf") as client:
            assert pour(client, frame(TEXT, b"x" * 1000) * 60, 100 * MiB) < 16 * MiB  # what the kernels hold
        with server.open("/deaf") as client:
            client.sendall(frame(TEXT, b"x" * 1000) * 1000)
            assert close_code(client) == 4409
        assert server.memory - server.memory_at_first < 8 * MiB


def test_messages_beyond_the_inbox_are_a_flood(common: Probe) -> None:
    with common.open("/deaf") as client:
        client.sendall(frame(TEXT, b"x") * 64)
        time.sleep(0.3)
        assert not readable(client, 0)
        client.sendall(frame(TEXT, b"x"))
        assert close_code(client) == 4409


def test_bytes_beyond_the_inbox_are_a_flood(common: Probe) -> None:
    with common.open("/deaf") as client:
        for _ in range(6):
            client.sendall(frame(TEXT, b"x" * 65535))
        assert close_code(client) == 4409


@pytest.mark.parametrize("flood", [frame(TEXT, b"x"), frame(PING), frame(10)], ids=["messages", "pings", "pongs"])
def test_frames_without_end_are_a_flood_though_they_are_read(common: Probe, flood: bytes) -> None:
    with common.open("/echo") as client:
        client.sendall(flood * 5000)
        assert close_code(client) == 4409


def test_a_message_of_endless_empty_fragments_is_a_flood(common: Probe) -> None:
    with common.open("/echo") as client:
        client.sendall(frame(TEXT, fin=False) + frame(0, fin=False) * 70)
        assert close_code(client) == 4409


def test_pings_are_not_answered_to_who_does_not_read() -> None:
    with running(frames_per_tick=10**9, stall_seconds=60) as server, server.open("/firehose") as client:
        time.sleep(0.5)
        before = server.memory
        client.settimeout(2)
        pour(client, frame(PING, b"x" * 125) * 400, 8 * MiB)
        assert server.memory - before < 2 * MiB


def test_a_flood_costs_little_time(common: Probe) -> None:
    """Ten thousand frames fit into one read. Processor time, since the machine may be busy."""
    used = psutil.Process(common.process.pid).cpu_times
    before = used().user
    for _ in range(20):
        with common.open("/echo") as client:
            client.sendall(frame(PING) * 10_000)
            read_all(client)
    assert used().user - before < 1


def test_frames_now_and_then_are_no_flood(common: Probe) -> None:
    with common.websocket("/echo") as page:
        for _ in range(400):
            round_trip(page)
            time.sleep(0.002)


# Frames


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"x" * 65536 * 2), 1009),
        (frame(TEXT, b"", length=2 * MiB), 1009),
        (frame(TEXT, b"x" * 40_000, fin=False) + frame(0, b"x" * 40_000), 1009),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"\xed\xa0\x80"), 1007),
        (frame(TEXT, b"\xc3"), 1007),
        (frame(3, b"reserved"), 1002),
        (frame(0, b"nothing to continue"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"", length=2**40), 1002),
        (b"\x81\x05naked", 1002),
        (b"\xff\xff" + bytes(range(255)), 1002),
        (frame(8, b"\x03"), 1002),
    ],
)
def test_bad_frames_are_closed_with_their_reason(common: Probe, data: bytes, code: int) -> None:
    with common.open("/echo") as client:
        client.sendall(data)
        assert close_code(client) == code


def test_a_refused_frame_is_not_collected() -> None:
    with running(linger_seconds=2) as server, server.open("/echo") as client:
        client.sendall(frame(PING, b"", length=2**40))
        pour(client, bytes(65536), 100 * MiB)
        assert server.memory - server.memory_at_first < 4 * MiB


def test_junk_of_all_kinds_leaves_no_traceback() -> None:
    """Random bytes as requests, as handshakes and as frames."""
    with running(header_seconds=0.5) as server:
        for seed in range(60):
            junk = os.urandom(300)
            for start in (b"", b"GET / HTTP/1.1\r\n", handshake("/echo")[:-2], handshake("/echo")):
                with server.connect() as client, contextlib.suppress(ConnectionError):
                    client.sendall(start + junk + b"\r\n\r\n")
                    client.shutdown(socket.SHUT_WR) if seed % 2 else None
        until(lambda: server.state["connections"] == 1)
        assert server.state["sockets"] == 0
        assert server.stop() == 0
    assert server.log == ""


# Readers


def round_trip(page: ClientConnection) -> float:
    start = time.monotonic()
    page.send("ping")
    page.recv(timeout=5)
    return time.monotonic() - start


def test_a_reader_that_never_reads_costs_little_and_nobody_else() -> None:
    with running(stall_seconds=2) as server, server.websocket("/echo") as other:
        readers = [server.open("/firehose") for _ in range(10)]
        trips = sorted(round_trip(other) for _ in range(100) if not time.sleep(0.01))
        sent = server.state["sent"]
        assert sent < 10 * 1.2 * MiB
        assert server.memory - server.memory_at_first < 10 * MiB
        assert trips[50] < 0.05  # p99 is 10 ms; half of them, since the machine may be busy
        until(lambda: server.state["sockets"] == 1)
        for reader in readers:
            reader.close()


@pytest.mark.parametrize("delay", [0, 0.4])
def test_a_slow_reader_gets_everything(delay: float) -> None:
    """Two seconds for a megabyte, while a stall is half a second and a pong due after less. It answers no ping, and
    after a delay one lies before it: bytes that it takes are an answer too."""
    with running(stall_seconds=0.5, ping_seconds=0.2, pong_seconds=0.6) as server, server.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        client.sendall(handshake(f"/big?{delay}"))
        received = b""
        while len(received) < 1_000_000:
            chunk = client.recv(64 * 1024)
            assert chunk
            received += chunk
            time.sleep(0.04)


def test_a_peer_that_stopped_answering_is_dropped() -> None:
    with running(ping_seconds=0.5, pong_seconds=0.5) as server, server.open("/deaf") as client:
        start = time.monotonic()
        assert client.recv(4096) == bytes([0x89, 0])
        until(lambda: server.state["sockets"] == 0)
        assert 0.9 < time.monotonic() - start < 3


def test_a_peer_that_answers_stays() -> None:
    with running(ping_seconds=0.3, pong_seconds=0.3) as server, server.websocket("/echo") as page:
        time.sleep(1.5)
        assert round_trip(page) < 2


def test_who_does_not_answer_a_close_is_dropped(common: Probe) -> None:
    with common.open("/leaving") as client:
        assert 0.4 < seconds_until_closed(client) < 3


def test_who_closes_without_reading_is_dropped() -> None:
    """Stock Daphne keeps it for ever, and its application is never told."""
    with running(application_seconds=0.5) as server, server.open("/firehose") as client:
        time.sleep(0.3)
        client.sendall(frame(8, b"\x03\xe8"))
        until(lambda: server.state["connections"] == 1, 3)


# Handshakes


def test_a_handshake_that_is_not_answered_is_refused(hasty: Probe) -> None:
    with hasty.handshake("/undecided") as client:
        start = time.monotonic()
        assert status_of(client.recv(4096)) == 503
        assert 0.4 < time.monotonic() - start < 3
        until(lambda: hasty.state["disconnected"] == 1)


def test_data_before_the_answer_is_not_collected(common: Probe) -> None:
    with common.handshake("/undecided") as client:
        time.sleep(0.1)
        assert pour(client, bytes(65536), 50 * MiB) < 10 * MiB


def test_there_are_only_so_many_sockets() -> None:
    with running(sockets=3) as server:
        pages = [server.open("/echo") for _ in range(3)]
        with server.handshake("/echo") as late:
            assert status_of(late.recv(4096)) == 503
        pages[0].close()
        until(lambda: server.state["sockets"] == 2)
        server.open("/echo").close()
        for page in pages:
            page.close()


def test_bad_handshakes_use_up_no_places() -> None:
    """autobahn's own count leaks one for each: Daphne's onClose fails for a handshake that never reached it."""
    with running(sockets=3) as server:
        for _ in range(10):
            with server.connect() as client:
                client.sendall(request("/echo", "Upgrade: websocket", "Connection: Upgrade"))
                assert status_of(client.recv(4096)) == 400
        server.open("/echo").close()
        assert server.stop() == 0
    assert server.log == ""


def test_a_subprotocol_that_is_no_text_is_refused() -> None:
    with running() as server, server.handshake("/echo", "Sec-WebSocket-Protocol: \xff") as client:
        assert status_of(client.recv(4096)) == 400
        server.stop()
    assert server.log == ""


def test_there_are_only_so_many_connections() -> None:
    with running(connections=5) as server:
        held = [server.connect() for _ in range(3)] + [server.open("/echo") for _ in range(2)]
        with server.connect() as late:
            assert read_all(late) == b""
        for client in held:
            client.close()
        time.sleep(0.3)
        assert server.get("/state")[0] == 200
        assert server.stop() == 0
    assert "1 connections turned away: 5 are open." in server.log


def test_few_open_files_are_shared_out() -> None:
    with running({"open_files": [64, 64]}) as server:
        held = [server.connect() for _ in range(80)]
        time.sleep(0.3)
        assert sum(not readable(client, 0) for client in held) == 32  # the other half is for databases and upstreams
        for client in held:
            client.close()
        until(lambda: server.get("/", body=bytes(200_000))[0] == 200)


def test_more_open_files_are_taken_if_they_may_be() -> None:
    with running({"open_files": [64, 4096]}) as server:
        held = [server.connect() for _ in range(200)]
        time.sleep(0.3)
        assert not [client for client in held if readable(client, 0)]


def test_refused_handshakes_do_not_pile_up(common: Probe) -> None:
    held = []
    for _ in range(3):
        clients = [common.handshake("/refusing") for _ in range(500)]
        assert {status_of(client.recv(4096)) for client in clients} == {403}
        for client in clients:
            client.close()
        until(lambda: common.state["connections"] == 1 and common.state["tasks"] == 1)
        held.append(common.memory)
    assert held[2] - held[1] < 2 * MiB


def test_an_application_that_fails_in_a_handshake_costs_one_line() -> None:
    with running() as server:
        for _ in range(20):
            with server.handshake("/raising?token=canary") as client:
                assert status_of(client.recv(4096)) == 500
        server.stop()
    assert len(server.log.splitlines()) == 20
    assert "ValueError in a handshake, at" in server.log
    assert "canary" not in server.log


# Applications


def test_an_application_that_ends_takes_its_socket_along(common: Probe) -> None:
    with common.websocket("/leaving") as page:
        assert closed_with(page) == 1000


@pytest.mark.parametrize("path", ["/uninterested", "/overreaching"])
def test_an_application_that_ends_without_an_answer_is_an_error(common: Probe, path: str) -> None:
    with common.handshake(path) as client:
        assert status_of(client.recv(4096)) == 500


def test_an_application_that_fails_closes_with_1011(common: Probe) -> None:
    with common.websocket("/raising-later") as page:
        page.send("go")
        assert closed_with(page) == 1011


@pytest.mark.parametrize(("path", "status"), [("/raising", 500), ("/silent", 500), ("/half", 200)])
def test_a_response_that_never_ends_ends_its_connection(common: Probe, path: str, status: int) -> None:
    """Stock Daphne never reaps another application after /half."""
    got, body = common.get(path)
    assert got == status
    assert not body.endswith(b"0\r\n\r\n") or status == 500
    until(lambda: common.state["connections"] == 1)


def test_an_application_is_cancelled_once_after_its_connection() -> None:
    with running(application_seconds=0.5) as server:
        server.open("/stubborn").close()
        until(lambda: server.state["cancelled"] == 1)
        until(lambda: server.state["connections"] == 1)
        assert server.state["cancelled"] == 1
        server.stop()
    assert "stubborn saved" in server.output
    assert server.log.count("did not end") == 1


def test_sending_to_a_socket_that_is_gone_is_harmless() -> None:
    with running(application_seconds=0.5) as server:
        server.open("/firehose").close()
        until(lambda: server.state["sockets"] == 0)
        assert server.get("/state")[0] == 200  # though the application sends in a loop, for half a second more
        until(lambda: server.state["connections"] == 1)
        server.stop()
    assert "Traceback" not in server.log


# Claims of clients


FORGED = (
    "Daphne-Root-Path: /%2Fevil.example",
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.example",
    "X-Real-IP: 6.6.6.6",
    "Forwarded: for=6.6.6.6",
)


def test_a_client_does_not_speak_for_a_proxy(common: Probe) -> None:
    seen = json.loads(common.get("/", *FORGED)[1])
    assert (seen["client"], seen["scheme"], seen["root_path"]) == ("127.0.0.1", "http", "")
    assert set(seen["headers"]) == {"host", "connection"}


def test_nor_in_a_handshake(common: Probe) -> None:
    with common.websocket("/scope", additional_headers=dict(line.split(": ") for line in FORGED)) as page:
        seen = json.loads(page.recv(timeout=5))
    assert (seen["client"], seen["root_path"]) == ("127.0.0.1", "")
    assert not [name for name in seen["headers"] if name.startswith(("x-", "forwarded", "daphne"))]


@pytest.mark.parametrize("header", ["X-Real-IP", "X-Forwarded-For"])
def test_the_configured_proxy_is_believed_and_only_its_last_word(header: str) -> None:
    claims = (f"{header}: 6.6.6.6, 7.7.7.7", f"{header}: 8.8.8.8, 10.0.0.9", "X-Forwarded-Proto: https")
    with running({"proxy_header": header}) as server:
        seen = json.loads(server.get("/", *claims)[1])
        assert (seen["client"], seen["scheme"]) == ("10.0.0.9", "https")
        with server.handshake("/scope", *claims) as client:
            received = b""
            while b'"10.0.0.9"' not in received:
                received += client.recv(4096)


def test_what_a_proxy_passes_on_unread_is_not_decoded() -> None:
    with running({"proxy_header": "X-Real-IP"}) as server:
        seen = json.loads(server.get("/", "X-Real-IP: 10.0.0.9", "X-Forwarded-Proto: \xff")[1])
        assert (seen["client"], seen["scheme"]) == ("10.0.0.9", "http")
        server.stop()
    assert server.log == ""


@pytest.mark.parametrize("path", ["/", "/raising", "/echo", "/refusing"])
def test_nothing_tells_what_serves(common: Probe, path: str) -> None:
    with common.handshake(path) if path in ("/echo", "/refusing") else common.connect() as client:
        if path in ("/", "/raising"):
            client.sendall(request(path, "Connection: close"))
        answer = client.recv(4096).lower()
    assert not [word for word in (b"server:", b"daphne", b"twisted", b"autobahn") if word in answer]


def test_the_log_has_no_request_lines() -> None:
    with running(header_seconds=0.5) as server:
        server.get("/?token=canary")
        server.get("/raising?token=canary", "X-Canary: canary")
        with server.handshake("/echo?token=canary") as client:
            client.recv(4096)
            client.sendall(frame(TEXT, b"canary \xff"))
            read_all(client)
        server.stop()
    assert "a page failed" in server.log
    assert "canary" not in server.log.lower()


# The clock


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_wall_clock_that_jumps_changes_nothing(jump: int) -> None:
    small = {"ping_seconds": 0.5, "pong_seconds": 0.5, "keep_alive_seconds": 3, "header_seconds": 1, "stall_seconds": 1}
    with running(**small) as server, server.websocket("/echo") as page, server.connect() as idle:
        idle.sendall(request("/state"))
        idle.recv(4096)
        server.get(f"/jump?{jump}")
        dead, silent, firehose = server.open("/deaf"), server.connect(), server.open("/firehose")
        assert 0.9 < seconds_until_closed(silent) < 3
        until(lambda: server.state["sockets"] == 1)  # those that neither read nor answer are dropped as ever
        assert round_trip(page) < 2
        idle.sendall(request("/state"))
        assert idle.recv(4096)
        dead.close()
        firehose.close()
        assert server.stop() == 0

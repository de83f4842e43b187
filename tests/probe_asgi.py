"""A small application under the real server, in a process of its own: `python -m tests.probe_asgi '{"limits": {…}}'`.

It says on standard output where it listens and what it has saved; `/state` tells what the server holds.
"""

import asyncio
import json
import resource
import sys
import time
from dataclasses import replace
from typing import Any

true_time = time.time
clock_offset = 0.0
time.time = lambda: true_time() + clock_offset  # before Twisted is imported: it keeps a reference

from chatsite.limits import Limits  # noqa: E402
from chatsite.server import Server, serve  # noqa: E402

options: dict[str, Any] = {}
background: set[asyncio.Task] = set()
counts: dict[str, int] = {"cancelled": 0, "sent": 0, "received": 0, "served": 0, "disconnected": 0}
server: Server


def say(*words: object) -> None:
    print(*words, flush=True)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    pages = sockets if scope["type"] == "websocket" else requests
    await pages[scope["path"]](scope, receive, send)


# HTTP


async def answer(send: Any, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def scope_page(scope: dict[str, Any], receive: Any, send: Any) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    counts["served"] += 1
    headers = {name.decode(): value.decode("latin1") for name, value in scope["headers"]}
    seen = {"client": scope["client"][0], "scheme": scope["scheme"], "root_path": scope["root_path"]}
    await answer(send, json.dumps({**seen, "headers": headers, "body": size}).encode())


async def state_page(scope: dict[str, Any], receive: Any, send: Any) -> None:
    held = {name: len(getattr(server, name)) for name in ("connections", "channels", "sockets")}
    state = {**held, **counts, "bodies": server.bodies_taken, "tasks": len(asyncio.all_tasks())}
    await answer(send, json.dumps(state).encode())


async def slow_page(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await asyncio.sleep(0.4)
    await answer(send, b"x" * int(scope["query_string"]))


async def jump_page(scope: dict[str, Any], receive: Any, send: Any) -> None:
    global clock_offset
    clock_offset += float(scope["query_string"])
    await answer(send, b"jumped")


async def endless_page(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        counts["sent"] += 65536


async def raising_page(scope: dict[str, Any], receive: Any, send: Any) -> None:
    raise ValueError("a page failed")


async def half_page(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ValueError("a page failed half-way")


async def silent_page(scope: dict[str, Any], receive: Any, send: Any) -> None:
    pass


async def thread_page(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """A worker thread that nothing can end, as one that waits for a locked database."""
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
    await answer(send, b"stuck")


requests = {
    "/": scope_page,
    "/state": state_page,
    "/slow": slow_page,
    "/jump": jump_page,
    "/endless": endless_page,
    "/raising": raising_page,
    "/half": half_page,
    "/silent": silent_page,
    "/thread": thread_page,
}


# WebSockets


async def accept(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        counts["received"] += 1
        await send({"type": "websocket.send", "text": message["text"]})
    counts["disconnected"] += 1


async def scope_socket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await accept(receive, send)
    names = [name.decode() for name, _ in scope["headers"]]
    seen = {"client": scope["client"][0], "root_path": scope["root_path"], "headers": names}
    await send({"type": "websocket.send", "text": json.dumps(seen)})
    await asyncio.sleep(60)


async def deaf(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await accept(receive, send)
    await asyncio.sleep(600)


async def firehose(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Sends without looking: what bounds it, or stops it, is the server."""
    await accept(receive, send)
    while True:
        await send({"type": "websocket.send", "text": "x" * 10_000})
        counts["sent"] += 10_000


async def big(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await accept(receive, send)
    await asyncio.sleep(float(scope["query_string"]))
    await send({"type": "websocket.send", "text": "é" * 500_000})
    await receive()


async def refusing(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.close"})


async def undecided(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    await receive()
    counts["disconnected"] += 1


async def uninterested(scope: dict[str, Any], receive: Any, send: Any) -> None:
    pass


async def overreaching(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "one that was not offered"})


async def raising(scope: dict[str, Any], receive: Any, send: Any) -> None:
    raise ValueError("canary: no route")


async def raising_later(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await accept(receive, send)
    await receive()
    raise ValueError("a socket failed")


async def leaving(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await accept(receive, send)


async def stubborn(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Saves for a while after it was cancelled: a second cancel would lose it."""
    await accept(receive, send)
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        counts["cancelled"] += 1
        await asyncio.sleep(1.2)
        say("stubborn saved")


async def inline(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Streams in its own frame: deaf to its disconnect, as a consumer that awaits a stream in receive()."""
    await accept(receive, send)
    try:
        while True:
            await send({"type": "websocket.send", "text": "more"})
            await asyncio.sleep(0.02)
    finally:
        await asyncio.sleep(0.1)
        say("inline saved")


async def detached(scope: dict[str, Any], receive: Any, send: Any) -> None:
    background.add(asyncio.create_task(generate()))
    await echo(scope, receive, send)


async def generate() -> None:
    try:
        await asyncio.sleep(600)
    finally:
        await asyncio.sleep(0.2)
        say("background saved")


sockets = {
    "/echo": echo,
    "/scope": scope_socket,
    "/deaf": deaf,
    "/firehose": firehose,
    "/big": big,
    "/refusing": refusing,
    "/undecided": undecided,
    "/uninterested": uninterested,
    "/overreaching": overreaching,
    "/raising": raising,
    "/raising-later": raising_later,
    "/leaving": leaving,
    "/stubborn": stubborn,
    "/inline": inline,
    "/detached": detached,
}


async def on_ready(started: Server) -> None:
    global server
    server = started
    if options.get("fail") == "start":
        raise RuntimeError("no database")
    say("listening", server.address[1])


async def before_stop(stopping: Server) -> None:
    say("stopping")
    if options.get("fail") == "stop":
        raise RuntimeError("settling failed")
    if options.get("leave_open"):
        return
    stopping.close_websockets(4012, "restart")
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
    await asyncio.sleep(options.get("settling_seconds", 0))
    say("settled")


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    if "open_files" in options:
        resource.setrlimit(resource.RLIMIT_NOFILE, options["open_files"])
    serve(
        application,
        host="127.0.0.1",
        port=options.get("port", 0),
        before_stop=before_stop,
        on_ready=on_ready,
        limits=replace(Limits(), **options.get("limits", {})),
        proxy_header=options.get("proxy_header", ""),
    )
    say("served")

"""The baseline: httpx to a Channels consumer on stock Daphne. A frame for each token, nothing stored, nobody asked.

    python -m daphne -p PORT benchmarks.relay:application    with UPSTREAM, the address of benchmarks.upstream

"pause=50" in what is sent to it asks for at most one frame in 50 ms: a frame for each token of 200 streams is more than
one core can do.
"""

import asyncio
import json
import os
import re
import time

import django
import httpx
from django.conf import settings

settings.configure(ALLOWED_HOSTS=["*"], INSTALLED_APPS=["channels"], ROOT_URLCONF="benchmarks.relay")
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

PAGE = """<!doctype html><title>Relay</title><textarea id="message"></textarea><pre id="thread"></pre><script>
const socket = new WebSocket(`ws://${location.host}/`), thread = document.getElementById("thread");
socket.onmessage = event => thread.append(JSON.parse(event.data).text);
document.getElementById("message").addEventListener("keydown", event => {
  if (event.key === "Enter") { event.preventDefault(); socket.send(event.target.value) }
});
</script>"""

urlpatterns = [path("", lambda _request: HttpResponse(PAGE))]
client = httpx.AsyncClient(timeout=None, limits=httpx.Limits(max_connections=None))


class Relay(AsyncWebsocketConsumer):
    async def receive(self, text_data: str = "", bytes_data: bytes | None = None) -> None:
        self.task = asyncio.create_task(self.relay(text_data))

    async def relay(self, prompt: str) -> None:
        pause = int(found[1]) / 1000 if (found := re.search(r"pause=(\d+)", prompt)) else 0
        body = {"model": "paced", "stream": True, "messages": [{"role": "user", "content": prompt}]}
        async with client.stream("POST", f"{os.environ['UPSTREAM']}/v1/chat/completions", json=body) as response:
            texts = []
            due = 0.0
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    texts += [choice["delta"].get("content", "") for choice in json.loads(line[6:])["choices"]]
                if texts and time.monotonic() >= due:
                    due = time.monotonic() + pause
                    await self.send(json.dumps({"text": "".join(texts)}))
                    texts.clear()


application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": Relay.as_asgi()})

"""The ASGI application: pages by Django, the page socket by a consumer. Any ASGI server can serve it."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
pages = get_asgi_application()  # sets Django up: what follows needs that

from channels.routing import ProtocolTypeRouter  # noqa: E402

from chat.routing import sockets  # noqa: E402

application = ProtocolTypeRouter({"http": pages, "websocket": sockets})

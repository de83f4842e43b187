"""Which sockets there are. Everything else is closed quietly: an unknown path must not fill the log."""

from channels.routing import URLRouter
from django.urls import path, re_path

from chat.consumers import NoSuchSocket, PageConsumer
from chat.origin import OriginGuard

sockets = OriginGuard(
    URLRouter([path("socket/", PageConsumer.as_asgi()), re_path(r"", NoSuchSocket.as_asgi())]),
)

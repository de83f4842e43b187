"""Serves the site on Daphne, with an end that loses nothing."""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Serve the site on HOST and PORT until SIGTERM."
    requires_system_checks = []  # `make run` has run them; a start must not wait for them

    def handle(self, *args, **options) -> None:
        from chat.live import AlreadyServed, registry
        from chatsite.asgi import application
        from chatsite.server import Server, serve

        async def on_ready(server: Server) -> None:
            await registry.ensure_started()
            registry.keep(self.connect())
            await self.announce(server.address)

        async def before_stop(server: Server) -> None:
            await registry.drain(lambda: server.close_websockets(4012, "restart"))

        try:
            registry.take_lock()
        except AlreadyServed:
            raise CommandError("Another process serves this database already. Stop it first.") from None
        serve(
            application,
            host=settings.HOST,
            port=settings.PORT,
            on_ready=on_ready,
            before_stop=before_stop,
            proxy_header=settings.PROXY_HEADER,
        )

    async def connect(self) -> None:
        import asyncio

        from chat.connecting import connect_demo, connect_environment

        await asyncio.to_thread(connect_demo)
        await asyncio.to_thread(connect_environment)

    async def announce(self, address: tuple[str, int]) -> None:
        """The address to open; while there is no administrator, with the link that makes an administrator."""
        from chat.live.threads import in_reader
        from chat.views.accounts import first_visit_token, has_administrator

        host, port = address
        site = settings.SITE_URL or f"http://{host if host not in ('0.0.0.0', '::') else 'localhost'}:{port}"
        self.stdout.write(f"\n  {settings.SITE_NAME} is at {site}/")
        if not await in_reader(has_administrator):
            self.stdout.write(f"  The first visitor becomes the administrator: {site}/first/{first_visit_token()}/")
        self.stdout.write("")
        self.stdout.flush()

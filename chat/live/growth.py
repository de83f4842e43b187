"""Waking those who wait for something to grow. Nothing is queued: whoever wakes looks at the state."""

import asyncio


class Growth:
    def __init__(self) -> None:
        self.version = 0
        self._waiting: set[asyncio.Future] = set()

    def tell(self) -> None:
        self.version += 1
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def after(self, version: int, timeout: float) -> None:
        """Returns as soon as there is more than `version`, or after `timeout` seconds."""
        if self.version != version:
            return
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.add(future)
        # Cheaper than asyncio.timeout: this runs once for every frame of every watcher.
        timer = loop.call_later(timeout, lambda: future.done() or future.set_result(None))
        try:
            await future
        finally:
            self._waiting.discard(future)
            timer.cancel()

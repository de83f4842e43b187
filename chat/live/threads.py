"""The threads in which live code meets the database: one that writes, four that read, two for what takes long.

Django would run every such call of every socket in one thread, so that one person's slow query holds up all others.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import connection

P = ParamSpec("P")
T = TypeVar("T")

_writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
_readers = ThreadPoolExecutor(4, thread_name_prefix="reader")
_labourers = ThreadPoolExecutor(2, thread_name_prefix="labourer")


_urgent: deque[tuple[Future, Callable]] = deque()
_waiting: deque[tuple[Future, Callable]] = deque()


async def in_writer(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs in the order of the calls. Cancelling the caller does not undo the act."""
    return await _written(_waiting, partial(_act, act, *args, **kwargs))


async def in_writer_next(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs before all that waits: however many are claimed or settled at once, a save waits for one of them at most."""
    return await _written(_urgent, partial(_act, act, *args, **kwargs))


async def _written(waiting: deque[tuple[Future, Callable]], act: Callable[[], T]) -> T:
    future: Future = Future()
    waiting.append((future, act))
    _writer.submit(_next)
    return await asyncio.wrap_future(future)


def _next() -> None:
    future, act = (_urgent or _waiting).popleft()
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(act())
    except BaseException as error:
        future.set_exception(error)


async def in_reader(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(_readers, partial(_act, act, *args, **kwargs))


async def in_labourer(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """One short step of an export or an import: who waits for a thread here waits for a step, not for the whole."""
    return await asyncio.get_running_loop().run_in_executor(_labourers, partial(_act, act, *args, **kwargs))


def _act(act: Callable[..., T], *args, **kwargs) -> T:
    try:
        result = act(*args, **kwargs)
    except BaseException:
        connection.close()  # it may be what is broken
        raise
    if connection.vendor != "sqlite":
        connection.close()  # back to the pool: a thread that keeps its connection keeps it from all others
    return result

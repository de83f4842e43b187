"""The threads in which live code meets the database: one that writes, four that read, two for what takes long.

Django would run every such call of every socket in one thread, so that one person's slow query holds up all others.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import connection

P = ParamSpec("P")
T = TypeVar("T")

_writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
_readers = ThreadPoolExecutor(4, thread_name_prefix="reader")
_labourers = ThreadPoolExecutor(2, thread_name_prefix="labourer")


async def in_writer(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs in the order of the calls. Cancelling the caller does not undo the act."""
    return await asyncio.get_running_loop().run_in_executor(_writer, partial(_act, act, *args, **kwargs))


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

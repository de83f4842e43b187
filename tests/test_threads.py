"""The writer's thread: in the order of the calls, but what saves goes before what waits."""

import asyncio
import threading

from chat.live.threads import in_writer, in_writer_next


def test_a_save_waits_for_the_one_act_that_runs_however_many_wait() -> None:
    order: list[object] = []
    begun, may_end = threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        may_end.wait(30)

    async def together() -> None:
        running = asyncio.create_task(in_writer(act))
        await asyncio.to_thread(begun.wait, 30)
        waiting = [asyncio.create_task(in_writer(order.append, number)) for number in range(20)]
        await asyncio.sleep(0)  # they are in the queue now
        saving = asyncio.create_task(in_writer_next(order.append, "save"))
        await asyncio.sleep(0)
        may_end.set()
        await asyncio.gather(running, saving, *waiting)

    asyncio.run(together())
    assert order == ["save", *range(20)]


def test_what_fails_fails_for_its_caller_alone() -> None:
    async def together() -> list:
        return await asyncio.gather(in_writer(int, "x"), in_writer(int, "7"), return_exceptions=True)

    failed, right = asyncio.run(together())
    assert isinstance(failed, ValueError) and right == 7

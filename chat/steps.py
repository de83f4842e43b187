"""What long work is made of: acts, each a short transaction, done by whoever runs the work."""

from collections.abc import Callable, Iterator
from functools import partial

from django.db.models import QuerySet

Act = Callable[[], object]


class Question:
    """An act whose answer the work goes on by, once it has been done."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self.answer: object = None

    def __call__(self) -> None:
        self.answer = self._act()


def in_batches(ids: list, size: int, act: Callable[[list], object]) -> Iterator[Act]:
    """The same act for so many at a time."""
    for start in range(0, len(ids), size):
        yield partial(act, ids[start : start + size])


def ids_of(found: QuerySet) -> list:
    return list(found.values_list("pk", flat=True))

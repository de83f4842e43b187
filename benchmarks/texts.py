"""Texts as people and models write them, by the law of Zipf: some words everywhere, most of them nearly nowhere.

The same for the same seed. Sentences come from a pool, so that a million messages are made in minutes; each message has
words of its own beside them.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

ENGLISH = (
    "the of and to a in is that it for as with be this on are by not or from an which can at you have if but we they "
    "one all each when value model time data use function first order between system number method point change "
    "case error result example matrix equation step size problem code line file test small large new same given"
).split()
CHINESE = (
    "的是不了在有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所"
    "民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日"
)
ONSETS, RIMES = "b c d f g h l m n p r s t v st tr pl gr".split(), "a e i o u an er is".split()
SYLLABLES = [onset + rime for onset in ONSETS for rime in RIMES]
END, SPAN = datetime(2026, 11, 1, tzinfo=UTC), timedelta(days=1095)  # of the archive
POOL = 6000  # sentences of each language


class Writer:
    """Writes messages: half of them Chinese."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self._english = self._pool(self._vocabulary(30_000, self._coined, ENGLISH), " ", (8, 22), ". ")
        self._chinese = self._pool(self._vocabulary(30_000, self._coined_chinese, CHINESE), "", (6, 16), "。")

    def question(self, number: int, chinese: bool) -> str:
        return self._written(chinese, 1, 2) + self._own(number, chinese)

    def reply(self, number: int, chinese: bool) -> str:
        """With a block of code now and then."""
        text = self._written(chinese, 2, 7) + self._own(number, chinese)
        return f"{text}\n\n```python\nprint(run_{number:x})\n```\n" if number % 16 == 1 else text

    def title(self, number: int, chinese: bool) -> str:
        sentence = self.random.choice(self._chinese if chinese else self._english)
        return f"{sentence[: 14 if chinese else 40]} {number}"

    def _written(self, chinese: bool, least: int, most: int) -> str:
        sentences = self._chinese if chinese else self._english
        return "".join(self.random.choices(sentences, k=self.random.randint(least, most)))

    def _own(self, number: int, chinese: bool) -> str:
        """What no other message says."""
        return f"编号{number}，第{number % 977}次。" if chinese else f"See note_{number:x} of {number % 977}. "

    def _pool(self, vocabulary: Sequence[str], between: str, length: tuple[int, int], end: str) -> list[str]:
        weights = list(accumulate(1 / (rank + 3) for rank in range(len(vocabulary))))
        return [
            between.join(self.random.choices(vocabulary, cum_weights=weights, k=self.random.randint(*length))) + end
            for _ in range(POOL)
        ]

    def _vocabulary(self, size: int, coined, common: Sequence[str]) -> list[str]:
        rest = {coined() for _ in range(size)}
        return [*common, *sorted(rest - set(common), key=lambda _: self.random.random())]

    def _coined(self) -> str:
        return "".join(self.random.choices(SYLLABLES, k=self.random.randint(2, 4)))

    def _coined_chinese(self) -> str:
        """Two characters: one that is common, and one of three thousand."""
        return self.random.choice(CHINESE) + chr(0x4E00 + int(3000 * self.random.random() ** 2))

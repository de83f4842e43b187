"""Estimated tokens: near the truth of two tokenizers (by gpt-tokenizer 4.0 of npm), and cheap while streaming."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import tokens
from chat.tokens import FEWEST, Estimate, Ratio, TokenMeter, estimate, prompt_estimate, ratio_of
from tests.corpus import ANSWER

TABLE = "| Operation | Average | Notes |\n| --- | :---: | ---: |\n"
ITEMS = [{"id": i, "name": f"item-{i}", "price": i * 1.25, "tags": ["a", "b"], "ok": True} for i in range(12)]
SAMPLES = {  # text, tokens in o200k, tokens in cl100k
    "English": (
        "The event loop runs one task at a time; when a coroutine awaits, control returns to the loop. In practice you "
        "will want to avoid blocking calls, because a single one stops every other client from making progress. Use a "
        "thread for short work, and a process pool for anything longer.",
        58,
        58,
    ),
    "German": (
        "Die Ereignisschleife führt immer nur eine Aufgabe aus; wenn eine Koroutine wartet, kehrt die Kontrolle zur "
        "Schleife zurück. Vermeiden Sie blockierende Aufrufe, denn ein einziger hält alle anderen Benutzer auf.",
        48,
        59,
    ),
    "Chinese": (
        "缓存的命中率取决于访问分布。热表与冷表的大小之和不应超过内存的一半；否则操作系统会开始换页，性能急剧下降。"
        "请先测量，再调整参数。",
        50,
        70,
    ),
    "Japanese": (
        "キャッシュのヒット率はアクセスの分布によって決まります。まず測定してから調整してください。"
        "合計サイズはメモリの半分を超えないようにします。",
        44,
        65,
    ),
    "Russian": (
        "Доля попаданий в кэш зависит от распределения обращений. Сначала измерьте, затем настраивайте параметры, "
        "иначе производительность резко упадёт.",
        34,
        60,
    ),
    "Arabic": (
        "تعتمد نسبة إصابة الذاكرة المؤقتة على توزيع الطلبات. قم بالقياس أولا ثم اضبط الإعدادات حتى لا ينخفض الأداء.",
        34,
        76,
    ),
    "Python": (
        "class Cache:\n    def get(self, key: str, load=lambda k: None):\n"
        "        if (value := self.hot.get(key)) is not None:\n            return value\n"
        "        while len(self.hot) > self.limit:\n            self.hot.pop(next(iter(self.hot)))\n"
        "        return load(key)\n",
        60,
        60,
    ),
    "JSON": (json.dumps(ITEMS), 433, 433),
    "a table": (TABLE + "".join(f"| `get{i}` | {i * 37} | promotes the key |\n" for i in range(12)), 173, 173),
    "an answer": (ANSWER, 455, 473),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_an_estimate_is_near_and_its_bounds_hold_for_both_tokenizers(name):
    text, newer, older = SAMPLES[name]
    found = estimate(text)
    assert abs(found.tokens / newer - 1) < (0.35 if name == "Russian" else 0.2)
    assert found.low <= min(newer, older)
    assert max(newer, older) <= found.high


def test_the_mean_error_is_what_is_said():
    errors = [abs(estimate(text).tokens / newer - 1) for text, newer, _ in SAMPLES.values()]
    assert sum(errors) / len(errors) < 0.12


@given(st.lists(st.text(max_size=20), max_size=12))
def test_a_running_estimate_is_that_of_the_whole(deltas):
    meter = TokenMeter()
    for delta in deltas:
        assert meter.feed(delta).bounds.low <= meter.tokens <= meter.bounds.high
    assert meter.bounds == estimate("".join(deltas))


def test_feeding_counts_nothing_and_looking_counts_each_character_once(monkeypatch):
    counted = []
    count = tokens._counted
    monkeypatch.setattr(tokens, "_counted", lambda text: counted.append(len(text)) or count(text))
    meter = TokenMeter()
    for _ in range(10_000):
        meter.feed(" token")
    assert counted == []
    assert meter.tokens == meter.bounds.tokens
    meter.feed(" more")
    assert meter.tokens > 0
    assert counted == [60_000, 5]


def test_a_known_ratio_moves_the_estimate_and_narrows_the_bounds():
    text, ratio = SAMPLES["Arabic"][0], Ratio(2.3, 2.1, 2.6)
    unknown, known = estimate(text), estimate(text, ratio)
    assert 0.9 < known.tokens / SAMPLES["Arabic"][2] < 1.1
    assert known.high - known.low < unknown.high - unknown.low
    assert TokenMeter(ratio).feed(text).bounds == known


def test_a_ratio_is_learnt_from_some_texts_and_outliers_change_nothing():
    assert ratio_of([1.2] * (FEWEST - 1)) is None
    usual = [1.1, 1.15, 1.2, 1.25, 1.3] * 8
    learnt = ratio_of([*usual, 400.0, 0.001])
    assert learnt.tokens == pytest.approx(1.2) and 1.0 < learnt.low < learnt.high < 1.4
    assert ratio_of([0.0, *usual]) == ratio_of(usual), "nothing reported teaches nothing"


def test_few_texts_leave_more_doubt_than_many():
    usual = [1.1, 1.15, 1.2, 1.25, 1.3]
    few, many = ratio_of(usual), ratio_of(usual * 20)
    assert few.low < many.low < many.tokens < many.high < few.high


def test_nothing_is_no_token():
    assert estimate("") == TokenMeter().bounds == Estimate(0, 0, 0)
    assert estimate("a").tokens == 1


def test_a_prompt_counts_what_stands_around_its_texts():
    turns = [
        SimpleNamespace(text="You are brief.", images=()),
        SimpleNamespace(text="What is the event loop?", images=()),
    ]
    texts = estimate("".join(turn.text for turn in turns))
    assert prompt_estimate(turns) == (texts.tokens + 11, texts.low + 11, texts.high + 11)
    assert prompt_estimate([]).tokens == 3


def test_an_emoji_is_more_than_a_letter():
    assert estimate("😀" * 100).tokens > 100 > estimate("é" * 100).tokens


@pytest.mark.parametrize("text", ["\ud83d", "a\0b", "👍🏽", "\U00020000", "e\u0301", "\u2028"])
def test_any_character_is_counted(text):
    low, high = estimate(text).low, estimate(text).high
    assert 0 <= low <= estimate(text).tokens <= high

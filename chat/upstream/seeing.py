"""Which models see, as far as names tell; and what an image takes of a prompt, by each vendor's published rule."""

import math
import re
from collections.abc import Callable
from typing import NamedTuple

# Models that take images, by their makers' documentation. Whatever else there is is taken for one that does not.
_SEES = re.compile(
    r"""gpt-(4o|4\.1|4\.5|4-turbo|4-vision|5|6|7)|chatgpt-4o|computer-use
    |\bo1(?!-(mini|preview))|\bo3(?!-mini)|\bo4
    |claude-(3|opus|sonnet|haiku|fable|mythos)|claude-[a-z]+-[4-9]
    |gemini-(1\.5|[2-9]|flash|pro|exp)|learnlm|gemma-?(3|4)|medgemma
    |grok-(2-vision|vision|4|5)
    |llava|bakllava|moondream|minicpm-(v|o)|cogvlm|internvl|idefics|smolvlm|molmo|ovis|aya-vision|granite.*vision
    |qwen[\d.]*-?(vl|omni)|qvq|qwen-?3\.[5-9]|pixtral|mistral-(small|medium)-?(3|latest|2[5-9])|ministral-?3|magistral
    |llama-?4|llama-?3\.2-?(11b|90b)?-?vision
    |kimi-(vl|latest|k2\.[5-9]|k[3-9])|moonshot-v1.*vision|glm-[\d.]+v|step-?[\d.]*-?v|ernie.*vl|seed.*vision|doubao.*vision
    |phi-?3(\.5)?-vision|phi-?4-multimodal|deepseek-(vl|ocr)|janus|nova-(lite|pro|premier)
    |(^|[-_/:.])(vl|vlm|vision|multimodal|omni)([-_/:.\d]|$)""",
    re.I | re.X,
)
_BLIND = re.compile(r"gemma-?3n?[:-](270m|1b)|gpt-5.*codex-mini|embed|whisper|tts|audio|rerank|transcribe", re.I)


def known_to_see(model: str) -> bool:
    return bool(_SEES.search(model)) and not _BLIND.search(model)


# Tokens


class Bounds(NamedTuple):
    tokens: int
    low: int
    high: int


def image_tokens(model: str, width: int, height: int) -> Bounds:
    """An estimate: what is published is not always what is billed, and of most models nothing is published."""
    name = model.rsplit("/", 1)[-1].lower()
    for pattern, rule in _RULES:
        if pattern.search(name):
            tokens = rule(max(width, 1), max(height, 1))
            return Bounds(tokens, math.floor(tokens * 0.8), math.ceil(tokens * 1.25))
    # Between what models with a fixed number for each image take (64 to 576), and one token for 14 × 14 pixels.
    tokens = max(_patches(28, width, height), 256)
    return Bounds(tokens, 64, max(_patches(14, width, height), 3000))


def _patches(side: int, width: int, height: int) -> int:
    return math.ceil(width / side) * math.ceil(height / side)


def _tiled(base: int, tile: int) -> Callable[[int, int], int]:
    """OpenAI: fitted into 2048 × 2048, its shorter side to 768, then tiles of 512."""

    def tokens(width: int, height: int) -> int:
        scale = min(1, 2048 / max(width, height))
        scale *= min(1, 768 / (min(width, height) * scale))
        return base + tile * _patches(512, math.floor(width * scale), math.floor(height * scale))

    return tokens


def _patched(factor: float) -> Callable[[int, int], int]:
    """OpenAI's smaller models of today: patches of 32, of which there are at most 1,536."""
    return lambda width, height: math.ceil(factor * min(_patches(32, width, height), 1536))


def _claude(width: int, height: int) -> int:
    """Anthropic: what is larger than some 1.15 megapixels is made smaller first, to about 1,600 tokens."""
    return min(math.ceil(width * height / 750), 1600)


def _gemini(width: int, height: int) -> int:
    return 258 if max(width, height) <= 384 else 258 * _patches(768, width, height)


_RULES: tuple[tuple[re.Pattern, Callable[[int, int], int]], ...] = (
    (re.compile(r"gpt-4o-mini"), _tiled(2833, 5667)),
    (re.compile(r"gpt-(4\.1|5[\d.]*)-mini"), _patched(1.62)),
    (re.compile(r"gpt-(4\.1|5[\d.]*)-nano"), _patched(2.46)),
    (re.compile(r"^o4-mini"), _patched(1.72)),
    (re.compile(r"^o[13]"), _tiled(75, 150)),
    (re.compile(r"gpt-5"), _tiled(70, 140)),
    (re.compile(r"gpt-4"), _tiled(85, 170)),
    (re.compile(r"claude"), _claude),
    (re.compile(r"gemini|learnlm"), _gemini),
    (re.compile(r"gemma"), lambda width, height: 256),
)

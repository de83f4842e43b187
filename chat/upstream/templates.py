"""Instruct templates: a thread as the one text that an endpoint without roles goes on with.

Each model was taught one of them; with another it answers worse, or speaks for the person, too. The parameter
`template` of a call names it; without it the model's name may tell. Marks of a template within a text are broken up,
so that nobody's text can pass for a turn of somebody else's.
"""

import re
from dataclasses import dataclass

from chat.upstream.contract import Call, Turn


@dataclass(frozen=True, slots=True)
class Template:
    """What stands before and after each role's text. Without a place of its own a system text precedes the first turn.

    `stops` end an answer: the model would go on with the person's next turn. `marks` are what tells turns apart.
    """

    label: str
    user: tuple[str, str]
    assistant: tuple[str, str]
    stops: tuple[str, ...]
    marks: tuple[str, ...]
    system: tuple[str, str] | None = None

    def render(self, turns: tuple[Turn, ...], *, continues: bool = False) -> str:
        """Ends where the assistant is to speak, or, continuing, with what it has said so far."""
        placed = self._placed(turns)
        kept = placed.pop().text if continues and placed and placed[-1].role == "assistant" else ""
        said = "".join(map(self._said, placed))
        opening = self.assistant[0]
        return said + (opening + kept if kept else opening.rstrip(" "))

    def _placed(self, turns: tuple[Turn, ...]) -> list[Turn]:
        if self.system:
            return list(turns)
        system = "\n\n".join(turn.text for turn in turns if turn.role == "system")
        others = [turn for turn in turns if turn.role != "system"]
        if system and others and others[0].role == "user":
            others[0] = Turn("user", f"{system}\n\n{others[0].text}")
        elif system:
            others.insert(0, Turn("user", system))
        return others

    def _said(self, turn: Turn) -> str:
        places = {"system": self.system or self.user, "user": self.user, "assistant": self.assistant}
        before, after = places[turn.role]
        return before + self._without_marks(turn.text) + after

    def _without_marks(self, text: str) -> str:
        for mark in self.marks:
            text = text.replace(mark, f"{mark[0]}\u200b{mark[1:]}")
        return text


TEMPLATES: dict[str, Template] = {
    "chatml": Template(
        label="ChatML",
        system=("<|im_start|>system\n", "<|im_end|>\n"),
        user=("<|im_start|>user\n", "<|im_end|>\n"),
        assistant=("<|im_start|>assistant\n", "<|im_end|>\n"),
        stops=("<|im_end|>", "<|im_start|>"),
        marks=("<|im_start|>", "<|im_end|>"),
    ),
    "llama3": Template(
        label="Llama 3",
        system=("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"),
        user=("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
        assistant=("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
        stops=("<|eot_id|>", "<|start_header_id|>"),
        marks=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>", "<|end_of_text|>"),
    ),
    "alpaca": Template(
        label="Alpaca",
        system=("", "\n\n"),
        user=("### Instruction:\n", "\n\n"),
        assistant=("### Response:\n", "\n\n"),
        stops=("### Instruction:", "### Response:"),
        marks=("### Instruction:", "### Response:"),
    ),
    "mistral": Template(
        label="Mistral",
        user=("[INST] ", " [/INST]"),
        assistant=(" ", "</s>"),
        stops=("[INST]", "</s>"),
        marks=("[INST]", "[/INST]", "<s>", "</s>"),
    ),
    "vicuna": Template(
        label="Vicuna",
        system=("", "\n\n"),
        user=("USER: ", "\n"),
        assistant=("ASSISTANT: ", "</s>\n"),
        stops=("USER:", "</s>"),
        marks=("USER:", "ASSISTANT:", "</s>"),
    ),
}

DEFAULT = "alpaca"  # what models that follow instructions at all make something of
# What a model's name says of how it was taught, in this order: a Hermes made of Llama 3 speaks ChatML.
_NAMES = (
    ("chatml", re.compile(r"chatml|hermes|qwen|dolphin|openchat|\byi\b|smollm|internlm", re.I)),
    ("llama3", re.compile(r"llama[-_. ]?3", re.I)),
    ("mistral", re.compile(r"mistral|mixtral|ministral|nemo", re.I)),
    ("vicuna", re.compile(r"vicuna|wizardlm", re.I)),
    ("alpaca", re.compile(r"alpaca", re.I)),
)


def of(call: Call) -> Template:
    """The one that the call names, or that its model's name tells."""
    return TEMPLATES.get(str(call.parameters.get("template"))) or of_model(call.model)


def of_model(model: str) -> Template:
    return TEMPLATES[next((name for name, pattern in _NAMES if pattern.search(model)), DEFAULT)]


def without_stop(text: str) -> str:
    """An answer without the stop that ended it, of upstreams that hand it on."""
    for template in TEMPLATES.values():
        for stop in template.stops:
            text = text.removesuffix(stop)
    return text

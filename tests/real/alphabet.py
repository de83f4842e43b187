"""A model that says the alphabet: tiny, made in a second, and it does what a test has to know beforehand.

Each token has one that follows it, whatever came before: "c" follows "b", "a" follows the space after "z". After a
digit come the next ones, and after "9" the end. The template repeats the question's last character before the answer:
what ends in "0" is answered by "123456789", and what ends in a letter by an alphabet without end. A kept "abc" that
is really continued is followed by "d"; a new turn after it begins with "a".
"""

import numpy

WIDTH, HEADS, LAYERS, CONTEXT = 384, 6, 12, 16384
LETTERS = "abcdefghijklmnopqrstuvwxyz"
BEGIN, END = 1, 2
TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *map(chr, range(32, 127))]
TEMPLATE = """\
{% for message in messages %}{{ message['content'] }}{% if not loop.last or add_generation_prompt %}
{% endif %}{% endfor %}\
{% if add_generation_prompt %}\
{% if messages[-1]['role'] == 'user' %}{{ messages[-1]['content'][-1:] }}{% else %}>{% endif %}\
{% endif %}"""
CERTAIN = 4.0  # times the square root of WIDTH, which the last norm makes of a one: far from every other token


def follower(token: str) -> str:
    if token == "9":
        return "</s>"
    if token.isdecimal() and len(token) == 1:
        return str(int(token) + 1)
    if token == "z":
        return " "
    return LETTERS[LETTERS.index(token) + 1] if len(token) == 1 and token in LETTERS else "a"


def embeddings() -> numpy.ndarray:
    """One-hot: a token is its number."""
    return numpy.eye(len(TOKENS), WIDTH, dtype=numpy.float32)


def outputs() -> numpy.ndarray:
    rows = numpy.zeros((len(TOKENS), WIDTH), numpy.float32)
    for number, token in enumerate(TOKENS):
        rows[TOKENS.index(follower(token)), number] = CERTAIN
    return rows

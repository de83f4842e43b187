"""TeX → MathML by math-core, held back where that would hang or end the process.

math-core 0.9 knows no bounds. It overflows the C stack, which kills the process (a level takes up to 2.5 kB); and it
takes twice as long for each opening delimiter whose end it does not find: $((((…$ with 40 of them would take hours, and
no other thread runs meanwhile. What exceeds a bound, and what it does not understand, is shown as TeX.
"""

import html
import re
import unicodedata
from functools import lru_cache

from math_core import LatexError, LatexToMathML

MAX_LENGTH = 8_000
MAX_DEPTH = 50  # of groups, environments, \left … \right
MAX_RUN = 60  # commands in a row, of which each may be the argument of the one before
MAX_SWITCHES = 100  # commands that may take all that follows: \color, \over, and \frac without braces
MAX_DELIMITERS = 18  # opening ones in one cell: 2 to the power of that is how often a part may be read, in 5 ms

_CONVERTER = LatexToMathML(
    fancy_error=False,
    ignore_unknown_commands=True,
    max_expansions=100,
    macros={"substack": r"\begin{subarray}{c}#1\end{subarray}"},
)
_RUN = re.compile(rf"(?:\\[a-zA-Z]+\s*+){{{MAX_RUN}}}")
_SWITCH = re.compile(
    r"\\(?:color|(?:display|text|script|scriptscript)style|rm|bf|it|sf|tt|cal|over|choose|atop|above|brace|brack)"
    r"(?![a-zA-Z])|\\(?:[a-z]*frac|[a-z]*binom|overset|underset|stackrel|sideset|prescript|mathchoice)(?!\s*\{)"
)
_REFUSED = re.compile(  # a macro of one's own, or trying alternatives, multiplies what all the rest costs
    r"\\(?:[gex]?def|let|(?:re|provide)?(?:new)?command|Declare[a-zA-Z]+|mathchoice)(?![a-zA-Z])"
)
_OPENING = "".join(chr(code) for code in range(0x2000, 0x3100) if unicodedata.category(chr(code)) in ("Ps", "Pi"))
_PERHAPS_OPENING = re.compile(rf"[(\[{_OPENING}]|\\(?:[lu{{]|[bB]ig|mathopen)")
_TOKEN = re.compile(
    r"\\(?:middle|[bB]igg?[mr]?)(?![a-zA-Z])\s*(?:\\[a-zA-Z]+|\\?.)"
    r"|(?P<right>\\right(?![a-zA-Z])\s*(?:\\[a-zA-Z]+|\\?.))"
    r"|(?P<left>\\left(?![a-zA-Z])\s*(?:\\[a-zA-Z]+|\\?.))|(?P<begin>\\begin(?![a-zA-Z]))|(?P<end>\\end(?![a-zA-Z]))"
    r"|\\l(?:eft|dots|eq|e|t|ambda|im|iminf|imsup|imits|n|og|g|and|or|not|abel)(?![a-zA-Z])"
    rf"|(?P<opening>[(\[{_OPENING}]|\\\{{|\\(?:[bB]igg?l|mathopen|l[a-zA-Z]+|ul[a-zA-Z]+)(?![a-zA-Z]))"
    r"|(?P<cell>&|\\\\)|\\(?:[a-zA-Z]+|.)|(?P<group>\{)|(?P<ungroup>\})",
    re.S,
)
# Environments that math-core does not know, or would number from 1 in each formula, with an id
_ENVIRONMENT = re.compile(r"\\(begin|end)\{(\w+)\*?\}(\{\d+\})?")
_SAME_AS = {
    **dict.fromkeys("align alignat alignedat flalign split eqnarray".split(), "aligned"),
    **dict.fromkeys("equation gather multline displaymath".split(), "gathered"),
    "smallmatrix": "matrix",
}
_TAG = re.compile(r"\\tag(\*?)\{([^{}]*)\}")
_NUMBERING = re.compile(r"\\label\{[^{}]*\}|\\(?:notag|nonumber)(?![a-zA-Z])")
_STYLE = re.compile(r' style="([^"]*)"')
_COLOUR = re.compile(r"color:(#[0-9A-Fa-f]{3,8})")
# Nothing but presentation may come out: no id, no link, no attribute that somebody thought of later
_PRESENTATION = (
    "accent|accentunder|class|display|displaystyle|form|height|linethickness|lspace|mathcolor|mathvariant|maxsize|minsize"
    "|movablelimits|notation|rspace|scriptlevel|stretchy|symmetric|voffset|width"
)
_HARMLESS = re.compile(rf'(?:[^<]++|</?(?:m[a-z]+|b|i|em|s|u|code|span)(?: (?:{_PRESENTATION})="[^"<>&]*")*/?>)*+')
# math-core writes style="…", which a strict style-src drops: known declarations become classes of prose.css
_DECLARATIONS = {
    "text-align:right": "mr",
    "text-align:left": "ml",
    "padding-right:0": "p0",
    "padding-right:0.2778em": "p3",
    "padding-left:0": "q0",
    "padding-left:0.2778em": "q3",
    "padding-left:1em": "q1",
    "padding-top:0": "t0",
    "padding-top:0.1667em": "t1",
    "padding-bottom:0": "b0",
    "border-right:0.05em solid currentcolor": "br",
    "border-right:0.05em dashed currentcolor": "br dash",
    "border-left:0.05em solid currentcolor": "bl",
    "border-left:0.05em dashed currentcolor": "bl dash",
    "border-top:0.05em solid currentcolor": "bt",
    "border-top:0.05em dashed currentcolor": "bt dash",
    "border-bottom:0.05em solid currentcolor": "bb",
    "border-bottom:0.05em dashed currentcolor": "bb dash",
    "margin-left:-0.16666667em": "thin",
    "font-variant-caps:small-caps": "caps",
}


@lru_cache(maxsize=1024)
def mathml(tex: str, *, display: bool) -> str:
    """MathML, or the TeX itself where that cannot be had."""
    if not _affordable(tex):
        return as_tex(tex)
    try:
        found = _STYLE.sub(_styled, _CONVERTER.convert_with_local_state(_in_known_words(tex), displaystyle=display))
    except LatexError:
        return as_tex(tex)
    return found if _HARMLESS.fullmatch(found) else as_tex(tex)


def _affordable(tex: str) -> bool:
    if len(tex) > MAX_LENGTH or _RUN.search(tex) or _REFUSED.search(tex):
        return False
    if len(_SWITCH.findall(tex)) > MAX_SWITCHES:
        return False
    groups = tex.count("{") + tex.count("\\left") + tex.count("\\begin")
    if groups <= MAX_DEPTH and len(_PERHAPS_OPENING.findall(tex)) <= MAX_DELIMITERS:  # nearly always
        return True
    depth, steps = _cost(tex)
    return depth <= MAX_DEPTH and steps <= 2**MAX_DELIMITERS


def _cost(tex: str) -> tuple[int, int]:
    """How deep it nests, and how often math-core may read a part of it at worst: as if no delimiter found its end.

    It looks for the end to the end of the cell, and reads what it passed again; also a table that stands there.
    """
    depth = deepest = steps = 0
    cells = [(0, 0)]  # delimiters that are open in each cell around, and the depth at which it ends
    for token in _TOKEN.finditer(tex):
        kind, (opened, level) = token.lastgroup, cells[-1]
        if kind == "opening":
            cells[-1] = opened + 1, level
        elif kind == "cell" and depth == level and len(cells) > 1:
            steps += 2 ** min(opened, 64)
            cells[-1] = cells[-2][0], level
        elif kind == "end" and len(cells) > 1:
            steps += 2 ** min(cells.pop()[0], 64)
        depth += (kind in ("group", "left", "begin")) - (kind in ("ungroup", "right", "end"))
        deepest = max(deepest, depth)
        if kind == "begin":
            cells.append((opened, depth))
    return deepest, steps + sum(2 ** min(opened, 64) for opened, _ in cells)


def _in_known_words(tex: str) -> str:
    """The same in words that math-core knows."""
    if "\\begin" in tex:
        tex = _ENVIRONMENT.sub(_environment, tex)
    if "\\tag" in tex:
        tex = _TAG.sub(lambda tag: rf"\qquad\text{{{tag[2] if tag[1] else f'({tag[2]})'}}}", tex)
    return _NUMBERING.sub("", tex)


def _environment(found: re.Match[str]) -> str:
    name = _SAME_AS.get(found[2])
    if not name:
        return found[0]
    argument = "" if found[2].endswith("at") else found[3] or ""  # the number of columns
    return f"\\{found[1]}{{{name}}}{argument}"


def as_tex(tex: str) -> str:
    return f'<code class="tex">{html.escape(tex, False)}</code>'


def _styled(found: re.Match[str]) -> str:
    declarations = [re.sub(r"\s*:\s*", ":", part.strip()) for part in found[1].split(";")]
    classes = " ".join(_DECLARATIONS[part] for part in declarations if part in _DECLARATIONS)
    colours = [colour[1] for part in declarations if (colour := _COLOUR.fullmatch(part))]
    return (f' class="{classes}"' if classes else "") + (f' mathcolor="{colours[0]}"' if colours else "")

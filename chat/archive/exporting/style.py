"""The style of a page that stands alone: what the site's own sheets say of text, and nothing of the site around it.

A page names the hash of its style in its policy, so that no other style, and no script, has a say in it.
"""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256

from django.conf import settings

SHEETS = ("app.css", "prose.css", "alone.css")
LAYERS = ("reset", "tokens", "base", "prose", "figures", "alone", "print")

_LAYER = re.compile(r"^@layer (\w+) \{\n(.*?)^\}", re.M | re.S)
_COMMENT = re.compile(r"/\*.*?\*/", re.S)


@cache
def style() -> str:
    """Only the layers that text needs, in the order in which they count."""
    sheets = "\n".join((settings.BASE_DIR / "static/chat" / name).read_text() for name in SHEETS)
    wanted = [f"@layer {name}{{{rules}}}" for name, rules in _LAYER.findall(_COMMENT.sub("", sheets)) if name in LAYERS]
    return f"@layer {','.join(LAYERS)};" + re.sub(r"\s*\n\s*", "\n", "\n".join(wanted))


@cache
def policy() -> str:
    hashed = b64encode(sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{hashed}'; img-src data:; base-uri 'none'; form-action 'none'"

"""Rendered text for where no script runs: a file, a shared page, paper. Without the buttons that would do nothing."""

import re

# Ours alone: a model's own text has no button, since what it writes as HTML is escaped.
_TOOL = re.compile(r'<button class="btn small ghost"[^>]*>.*?</button>', re.S)
_REFERENCE = re.compile(r'<button type="button" data-act="footnote"[^>]*>(.*?)</button>', re.S)


def still(rendered: str) -> str:
    return _REFERENCE.sub(r"\1", _TOOL.sub("", rendered))

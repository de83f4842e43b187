"""The words of the interface that stand inside rendered text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Labels:
    """In the reader's language. Equal ones share what has been rendered."""

    code: str = "Code"
    wrap: str = "Wrap"
    copy: str = "Copy"
    copy_code: str = "Copy code"
    table: str = "Table"
    image_from: str = "image from {host}"
    long_query: str = "sends {count} characters"
    done: str = "Done"
    to_do: str = "To do"
    footnotes: str = "Footnotes"
    footnote: str = "Footnote {number}"
    note: str = "Note"
    tip: str = "Tip"
    important: str = "Important"
    warning: str = "Warning"
    caution: str = "Caution"


ENGLISH = Labels()

"""How replies ended, and what those took that did not end well."""

from django.utils.translation import gettext_lazy as _

from chat.accounting.reports.scope import Scope
from chat.accounting.reports.sums import Read
from chat.accounting.reports.table import Column, Report, Row, usual_columns
from chat.models import Completion

Status = Completion.Status
WORDS = {
    Status.COMPLETE: _("Complete"),
    Status.STOPPED: _("Stopped"),
    Status.ABANDONED: _("Left"),
    Status.CUT: _("Cut off"),
    Status.FAILED: _("Provider error"),
    Status.LOST: _("Interrupted"),
}


def rows(scope: Scope, read: Read) -> list[Row]:
    found = read(scope, "outcome")
    replies = sum(figures.replies for figures in found.values())
    return [
        Row(word_of(outcome), figures, {"outcome": outcome}, {"share": figures.replies / replies if replies else None})
        for (outcome,), figures in found.items()
    ]


def word_of(outcome: str) -> str:
    return str(WORDS.get(outcome, outcome))


def columns(currencies: list[str]) -> list[Column]:
    replies, *rest = usual_columns(currencies)
    return [replies, Column("share", _("Share"), "share", lambda row: row.more.get("share")), *rest]


REPORT = Report("outcomes", _("Outcomes"), _("By outcome"), _("Outcome"), rows, columns, sorts_by="replies")

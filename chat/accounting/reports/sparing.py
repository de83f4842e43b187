"""What stopping and leaving cost, and saved at most: what such replies did not take of what they were allowed."""

from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from chat.accounting.reports.outcomes import word_of
from chat.accounting.reports.scope import Scope
from chat.accounting.reports.sums import Read
from chat.accounting.reports.table import Cell, Column, Report, Row, money_columns
from chat.models import Completion

WITHOUT_THEIR_END = (Completion.Status.STOPPED, Completion.Status.ABANDONED)


def rows(scope: Scope, read: Read) -> list[Row]:
    found = read(scope, "outcome")
    return [
        Row(word_of(outcome), figures, {"outcome": outcome})
        for (outcome,), figures in found.items()
        if outcome in WITHOUT_THEIR_END
    ]


def columns(currencies: list[str]) -> list[Column]:
    alone = len(currencies) == 1
    return [
        Column("replies", _("Replies"), "count", lambda row: row.figures.replies),
        Column("output", _("Tokens that came"), "tokens", lambda row: row.figures.output_tokens),
        Column("spared-tokens", _("Spared at most"), "tokens", lambda row: row.figures.spared_tokens),
        *(column for currency in currencies for column in money_columns(currency, alone=alone)),
        *(_spared(currency, alone) for currency in currencies),
    ]


def _spared(currency: str, alone: bool) -> Column:
    def spared(row: Row) -> Cell:
        money = row.figures.money.get(currency)
        return money.spared if money else Decimal(0)

    return Column(f"spared-{currency}", _("Spared at most") if alone else currency, "money", spared, currency)


REPORT = Report(
    "sparing", _("Saved"), _("What stopping and leaving saved"), _("Outcome"), rows, columns, sorts_by="replies"
)

"""What it was used for: replies, and what else asks a model."""

from django.utils.translation import gettext_lazy as _

from chat.accounting.reports.scope import Scope
from chat.accounting.reports.sums import Read
from chat.accounting.reports.table import Report, Row

WORDS = {"reply": _("Replies"), "title": _("Titles"), "api": _("API")}


def rows(scope: Scope, read: Read) -> list[Row]:
    found = read(scope, "purpose")
    return [Row(word_of(purpose), figures, {"purpose": purpose}) for (purpose,), figures in found.items()]


def word_of(purpose: str) -> str:
    return str(WORDS.get(purpose, purpose))


REPORT = Report("purposes", _("Purposes"), _("By purpose"), _("Purpose"), rows)

"""What was used on which day, in the site's time zone."""

from django.utils.translation import gettext_lazy as _

from chat.accounting.reports.scope import Scope
from chat.accounting.reports.sums import Read
from chat.accounting.reports.table import Report, Row


def rows(scope: Scope, read: Read) -> list[Row]:
    return [Row(day, figures, {"day": day}) for (day,), figures in read(scope, "day").items()]


REPORT = Report("days", _("Days"), _("By day"), _("Day"), rows, label_kind="day", sorts_by="days")

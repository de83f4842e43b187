"""Which provider served what."""

from django.utils.translation import gettext_lazy as _

from chat.accounting.reports.scope import Scope
from chat.accounting.reports.sums import Read
from chat.accounting.reports.table import Report, Row
from chat.models import Provider


def rows(scope: Scope, read: Read) -> list[Row]:
    names = dict(Provider.objects.values_list("pk", "name"))
    found = read(scope, "provider")
    return [Row(names[provider], figures, {"provider": provider}) for (provider,), figures in found.items()]


REPORT = Report("providers", _("Providers"), _("By provider"), _("Provider"), rows)

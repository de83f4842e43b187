"""Who used what."""

from django.utils.translation import gettext_lazy as _

from chat.accounting.reports.scope import Scope
from chat.accounting.reports.sums import Read
from chat.accounting.reports.table import Report, Row
from chat.models import Account


def rows(scope: Scope, read: Read) -> list[Row]:
    by_account = read(scope, "account")
    names = names_of({account for (account,) in by_account})
    return [Row(names[account], figures, {"account": account}) for (account,), figures in by_account.items()]


def names_of(accounts: set[int]) -> dict[int, str]:
    """As they are called now, or what is left of those who were deleted."""
    found = Account.objects.filter(pk__in=accounts).values_list("pk", "person__username", "label")
    return {pk: username or label for pk, username, label in found}


REPORT = Report("people", _("People"), _("By person"), _("Person"), rows, of_everybody=True)

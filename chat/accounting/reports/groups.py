"""Which paying group used what. A line counts for the group of the moment when it was asked for."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.accounting.reports.scope import NO_GROUP, Scope
from chat.accounting.reports.sums import Read
from chat.accounting.reports.table import Report, Row
from chat.models import Group


def rows(scope: Scope, read: Read) -> list[Row]:
    names = dict(Group.objects.values_list("pk", "name"))
    return [
        Row(names[group] if group else _("without a group"), figures, {"group": group or NO_GROUP})
        for (group,), figures in read(scope, "group").items()
    ]


REPORT = Report(
    "groups", gettext_lazy("Groups"), gettext_lazy("By group"), gettext_lazy("Group"), rows, of_everybody=True
)

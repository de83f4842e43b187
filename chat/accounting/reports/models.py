"""Which model took what."""

from django.utils.translation import gettext_lazy as _

from chat.accounting.reports.scope import Scope
from chat.accounting.reports.sums import Read
from chat.accounting.reports.table import Column, Report, Row, usual_columns
from chat.models import LanguageModel


def rows(scope: Scope, read: Read) -> list[Row]:
    by_model = read(scope, "model")
    known = LanguageModel.objects.select_related("provider").in_bulk([model for (model,) in by_model])
    return [
        Row(known[model].name, figures, {"model": model}, {"provider": known[model].provider.name})
        for (model,), figures in by_model.items()
    ]


def columns(currencies: list[str]) -> list[Column]:
    provider = Column("provider", _("Provider"), "words", lambda row: row.more.get("provider"))
    return [provider, *usual_columns(currencies)]


REPORT = Report("models", _("Models"), _("By model"), _("Model"), rows, columns)

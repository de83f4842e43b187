"""Prices from a CSV file, as spreadsheets write it: all of its lines or none, and for each that is wrong a sentence."""

from datetime import datetime, time
from decimal import Decimal, InvalidOperation

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from chat.calendar import day_written, is_ours
from chat.csv_reading import BadList, CsvFile, in_line, shortened
from chat.models import LanguageModel, Person, Price
from chat.models.money import FREE
from chat.price_setting import add

COLUMNS = ("provider", "model", "currency", "input_mtok", "output_mtok", "cached_mtok", "reasoning_mtok", "valid_from")
NEEDED = ("model", "currency", "input_mtok", "output_mtok")
MTOK = COLUMNS[3:7]
LARGEST_FILE = 2 * 1024 * 1024


def import_csv(by: Person | None, data: bytes) -> int:
    """All its prices, or none: how many. Raises BadList."""
    file = CsvFile(data, largest=LARGEST_FILE)
    _check_columns(file)
    rows, faults = list(file.rows()), []
    prices: list[Price] = []
    for line, row in rows:
        try:
            prices.append(_price(row))
        except ValidationError as error:
            faults += [in_line(line, fault) for fault in error.messages]
    faults += _twice(rows, prices) if not faults else []
    if not rows:
        faults.append(_("The file has no line below its head."))
    if faults:
        raise BadList(shortened(faults))
    with transaction.atomic():
        for price in prices:
            add(by, price)
    return len(prices)


def _check_columns(file: CsvFile) -> None:
    faults = file.missing(NEEDED)
    for name in file.columns:
        if name not in COLUMNS:
            faults.append(
                _("The column “%(name)s” is not known. Known are: %(known)s.")
                % {"name": name[:40], "known": ", ".join(COLUMNS)}
            )
    if faults := faults + file.twice(COLUMNS):
        raise BadList(faults)


def _price(row: dict[str, str]) -> Price:
    """Raises ValidationError with all that is wrong with the line."""
    faults: list[ValidationError] = []
    figures: dict[str, object] = {"origin": Price.Origin.CSV, "currency": _currency(row["currency"])}
    for name, read in (("model", _model), ("valid_from", _moment)):
        try:
            figures[name] = read(row)
        except ValidationError as error:
            faults.append(error)
    for name in MTOK:
        try:
            figures[name] = _mtok(row, name)
        except ValidationError as error:
            faults.append(error)
    if faults:
        raise ValidationError(faults)
    price = Price(**figures)
    price.full_clean()
    return price


def _currency(code: str) -> str:
    return FREE if code.lower() == "free" else code.upper()


def _model(row: dict[str, str]) -> LanguageModel:
    found = LanguageModel.objects.filter(name=row["model"]).select_related("provider")
    if row.get("provider"):
        found = found.filter(provider__name=row["provider"])
    models = list(found[:2])
    words = {"model": row["model"][:80], "provider": row.get("provider", "")[:80]}
    if not models and words["provider"]:
        raise ValidationError(_("%(provider)s has no model “%(model)s”.") % words)
    if not models:
        raise ValidationError(_("There is no model “%(model)s”.") % words)
    if len(models) > 1:
        raise ValidationError(_("Several providers have a model “%(model)s”: fill the column provider.") % words)
    return models[0]


def _moment(row: dict[str, str]) -> datetime:
    """A day begins at midnight in the site's time zone; an empty cell is now."""
    written = row.get("valid_from", "")
    if not written:
        return timezone.now()
    try:
        return timezone.make_aware(datetime.combine(day_written(written), time()))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        moment = None
    if moment is None or not is_ours(moment.date()):
        raise ValidationError(_("“%(written)s” is no date. Write it as 2026-11-20.") % {"written": written[:40]})
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _mtok(row: dict[str, str], name: str) -> Decimal | None:
    written = row.get(name, "")
    if not written:
        if name in NEEDED:
            raise ValidationError(_("%(name)s is empty.") % {"name": name})
        return None
    try:
        price = Decimal(written)
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite():
        words = {"name": name, "written": written[:40]}
        raise ValidationError(_("%(name)s is “%(written)s”, which is no number such as 0.60.") % words)
    if price < 0:
        raise ValidationError(_("%(name)s is negative: %(written)s.") % {"name": name, "written": written[:40]})
    return price


def _twice(rows: list[tuple[int, dict]], prices: list[Price]) -> list[str]:
    """The same model with two prices from one moment on."""
    seen: dict[tuple[int, datetime], int] = {}
    faults = []
    for (line, row), price in zip(rows, prices, strict=True):
        first = seen.setdefault((price.model_id, price.valid_from), line)
        if first != line:
            words = {"line": line, "first": first, "model": row["model"][:80]}
            faults.append(
                _("Line %(line)d: %(model)s has a price from that day on already, in line %(first)d.") % words
            )
    return faults

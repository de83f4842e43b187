"""Prices from a CSV file, as spreadsheets write it: all of its lines or none, and for each that is wrong a sentence."""

import codecs
import csv
import io
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.models import LanguageModel, Person, Price
from chat.models.money import FREE
from chat.price_setting import add

COLUMNS = ("provider", "model", "currency", "input_mtok", "output_mtok", "cached_mtok", "reasoning_mtok", "valid_from")
NEEDED = ("model", "currency", "input_mtok", "output_mtok")
MTOK = COLUMNS[3:7]
LARGEST_FILE = 2 * 1024 * 1024
MOST_FAULTS = 20
BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}


class BadList(Exception):
    """The file cannot be taken; `faults` are sentences, each with its line. Nothing of it was."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def import_csv(by: Person | None, data: bytes) -> int:
    """All its prices, or none: how many. Raises BadList."""
    rows, faults = list(_rows(data)), []
    prices: list[Price] = []
    for line, row in rows:
        try:
            prices.append(_price(row))
        except ValidationError as error:
            faults += [_("Line %(line)d: %(fault)s") % {"line": line, "fault": fault} for fault in error.messages]
    faults += _twice(rows, prices) if not faults else []
    if not rows:
        faults.append(_("The file has no line below its head."))
    if faults:
        raise BadList(_shortened(faults))
    with transaction.atomic():
        for price in prices:
            add(by, price)
    return len(prices)


def _rows(data: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Each with the number of its line. Commas, semicolons and tabs may stand between the columns."""
    text = _text(data)
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        _check_columns([name.strip().lower() for name in reader.fieldnames or []])
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or []]
        for row in reader:
            if any(isinstance(cell, str) and cell.strip() for cell in row.values()):
                yield reader.line_num, {name: (cell or "").strip() for name, cell in row.items() if name}
    except csv.Error as error:
        raise BadList(
            [_("Line %(line)d cannot be read: %(why)s.") % {"line": reader.reader.line_num, "why": error}]
        ) from None


def _text(data: bytes) -> str:
    if len(data) > LARGEST_FILE:
        raise BadList([_("The file is larger than 2 MB. That is no list of prices.")])
    encoding = next((name for mark, name in BOMS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        sentence = _("Line %(line)d is not UTF-8. Save the file as “CSV UTF-8”, and import it again.")
        raise BadList([sentence % {"line": line}]) from None
    if "\0" in text:
        raise BadList([_("This is no text file. Save the table as “CSV UTF-8”, and import it again.")])
    return text


def _check_columns(names: list[str]) -> None:
    faults = [_("The column %(name)s is missing.") % {"name": name} for name in NEEDED if name not in names]
    for name in names:
        if name not in COLUMNS:
            faults.append(
                _("The column “%(name)s” is not known. Known are: %(known)s.")
                % {"name": name[:40], "known": ", ".join(COLUMNS)}
            )
    faults += [_("The column %(name)s is there twice.") % {"name": name} for name in COLUMNS if names.count(name) > 1]
    if faults:
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
        day = date.fromisoformat(written)
        return timezone.make_aware(datetime.combine(day, time()))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        sentence = _("“%(written)s” is no date. Write it as 2026-11-20.") % {"written": written[:40]}
        raise ValidationError(sentence) from None
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


def _shortened(faults: list[str]) -> list[str]:
    more = len(faults) - MOST_FAULTS
    if more <= 0:
        return faults
    return [*faults[:MOST_FAULTS], ngettext("%(n)d more is wrong.", "%(n)d more are wrong.", more) % {"n": more}]

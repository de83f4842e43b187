"""What a provider has billed, from a CSV file: a plain one, or its own export. All of it or none, with a sentence each.

| format | columns that it is known by |
| --- | --- |
| plain | date, model, input_tokens, output_tokens; cost and currency where they are known |
| OpenAI, usage | start_time_iso, model, input_tokens, output_tokens (no costs) |
| Anthropic, usage | usage_date_utc, model_version, usage_input_tokens_…, usage_output_tokens (no costs) |
| OpenRouter, activity | created_at or date, model_permaslug, tokens_prompt, tokens_completion, cost_total |

The exports of providers have several lines of a day and model (by key, project, reply): these are added up. In a plain
file a day and model stands once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from chat.accounting.reconciliation import Billed
from chat.calendar import is_ours
from chat.csv_reading import BadList, CsvFile, in_line, shortened
from chat.models.money import MOST, NANO, check_currency

LARGEST_FILE = 20 * 1024 * 1024
OLDEST = date(2020, 1, 1)
MOST_TOKENS = 10**15
COLUMNS = ("date", "model", "input_tokens", "output_tokens", "cost", "currency")


@dataclass(frozen=True, slots=True)
class Format:
    """By which columns a file is known, and which of them are added up."""

    name: str
    day: str
    model: str
    input: tuple[str, ...]
    output: tuple[str, ...]
    cost: tuple[str, ...] = ()
    number: str = ""  # what is there once of each line
    each_once: bool = False  # a day and model, else a whole line

    @property
    def needed(self) -> tuple[str, ...]:
        return (self.day, self.model, *self.input[:1], *self.output)


ANTHROPIC_INPUT = (
    "usage_input_tokens_no_cache",
    "usage_input_tokens_cache_write_5m",
    "usage_input_tokens_cache_write_1h",
    "usage_input_tokens_cache_write",
    "usage_input_tokens_cache_read",
)
FORMATS = (
    Format("OpenAI", "start_time_iso", "model", ("input_tokens",), ("output_tokens",)),
    Format("Anthropic", "usage_date_utc", "model_version", ANTHROPIC_INPUT, ("usage_output_tokens",)),
    Format(
        *("OpenRouter", "created_at", "model_permaslug", ("tokens_prompt",), ("tokens_completion",), ("cost_total",)),
        number="generation_id",
    ),
    Format("OpenRouter", "date", "model_permaslug", ("prompt_tokens",), ("completion_tokens",), ("usage",)),
)
PLAIN = Format("CSV", "date", "model", ("input_tokens",), ("output_tokens",), ("cost",), each_once=True)


@dataclass(frozen=True, slots=True)
class Bill:
    """`format`: whose. `currency`: of its costs."""

    format: str
    billed: list[Billed]
    currency: str


def read(data: bytes) -> Bill:
    """Raises BadList."""
    file = CsvFile(data, largest=LARGEST_FILE)
    found = next((each for each in FORMATS if not file.missing(each.needed)), None)
    form = found or PLAIN
    if faults := file.missing(form.needed) + file.twice(COLUMNS):
        known = _("Known are a plain list (%(columns)s), and the exports of OpenAI, Anthropic and OpenRouter.")
        raise BadList([*faults, known % {"columns": ", ".join(COLUMNS)}])
    return _read(file, form)


def _read(file: CsvFile, form: Format) -> Bill:
    faults: list[str] = []
    seen: dict[object, int] = {}
    sums: dict[tuple[date, str], Billed] = {}
    currencies: dict[str, int] = {}
    for line, row in file.rows():
        try:
            one = _billed(row, form)
            currencies.setdefault(_currency(row), line)
        except ValidationError as error:
            faults += [in_line(line, fault) for fault in error.messages]
            continue
        first = seen.setdefault(_once(row, form, one), line)
        if first != line:
            faults.append(in_line(line, _twice(form) % {"first": first}))
            continue
        key = one.day, one.model
        sums[key] = sums[key] + one if key in sums else one
    if not seen and not faults:
        faults.append(_("The file has no line below its head."))
    if len(currencies) > 1:
        faults.append(_("There are several currencies: %(them)s. One at a time.") % {"them": ", ".join(currencies)})
    if faults:
        raise BadList(shortened(faults))
    return Bill(form.name, sorted(sums.values(), key=lambda one: (one.day, one.model)), next(iter(currencies)))


def _once(row: dict[str, str], form: Format, one: Billed) -> object:
    """What may not stand in two lines."""
    if form.each_once:
        return one.day, one.model
    return row.get(form.number) or tuple(row.items())


def _twice(form: Format) -> str:
    if form.each_once:
        return _("its day and model stand in line %(first)d already.")
    return _("it is the same as line %(first)d.")


def _billed(row: dict[str, str], form: Format) -> Billed:
    """Raises ValidationError with all that is wrong with the line."""
    faults: list[ValidationError] = []

    def tried(read: Callable, *given: object) -> object:
        try:
            return read(*given)
        except ValidationError as error:
            faults.append(error)
            return None

    day = tried(_day, row[form.day])
    model = tried(_model, row[form.model])
    figures = [
        sum(tried(_count, name, row[name]) or 0 for name in names if name in row) for names in (form.input, form.output)
    ]
    costs = [tried(_cost, name, row[name]) for name in form.cost if row.get(name)]
    if faults:
        raise ValidationError(faults)
    return Billed(day, model, *figures, sum(costs, Decimal(0)) if costs else None)


def _day(written: str) -> date:
    """A moment is of its day in the site's time zone: by that the books go. One without a zone is in UTC."""
    try:
        day = date.fromisoformat(written)
    except ValueError:
        try:
            moment = datetime.fromisoformat(written.removesuffix(" UTC"))
        except ValueError:
            moment = None
        if moment is None or not is_ours(moment.date()):
            sentence = _("“%(written)s” is no date. Write it as 2026-11-20.") % {"written": written[:40]}
            raise ValidationError(sentence) from None
        aware = moment if timezone.is_aware(moment) else moment.replace(tzinfo=ZoneInfo("UTC"))
        is_midnight = not (moment.hour or moment.minute or moment.second)
        day = moment.date() if is_midnight else timezone.localtime(aware).date()  # a bucket that is a whole day
    if day > timezone.localdate():
        raise ValidationError(_("%(day)s has not come yet.") % {"day": day})
    if day < OLDEST:
        raise ValidationError(_("%(day)s is too long ago to be in these books.") % {"day": day})
    return day


def _model(written: str) -> str:
    if not written:
        raise ValidationError(_("The model is missing."))
    return written[:200]


def _count(name: str, written: str) -> int:
    try:
        tokens = Decimal(written)
    except InvalidOperation:
        tokens = Decimal("NaN")
    if not tokens.is_finite() or tokens != tokens.to_integral_value() or tokens > MOST_TOKENS:
        words = {"name": name, "written": written[:40]}
        raise ValidationError(_("%(name)s is “%(written)s”, which is no number of tokens.") % words)
    if tokens < 0:
        raise ValidationError(_("%(name)s is negative: %(written)s.") % {"name": name, "written": written[:40]})
    return int(tokens)


def _cost(name: str, written: str) -> Decimal:
    try:
        cost = Decimal(written.lstrip("$€¥£ "))
    except InvalidOperation:
        cost = Decimal("NaN")
    if not cost.is_finite() or abs(cost) > MOST:
        words = {"name": name, "written": written[:40]}
        raise ValidationError(_("%(name)s is “%(written)s”, which is no amount of money such as 0.60.") % words)
    if cost < 0:
        raise ValidationError(_("%(name)s is negative: %(written)s.") % {"name": name, "written": written[:40]})
    return cost.quantize(NANO)


def _currency(row: dict[str, str]) -> str:
    code = (row.get("currency") or "USD").upper()
    check_currency(code)
    return code

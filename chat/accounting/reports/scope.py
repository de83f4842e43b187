"""Which usage a report is about: its days, and whose, of which model, for what and with which end."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from django.db.models import Q

from chat.models import LanguageModel

NO_GROUP = 0
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in the site's time zone, the first and the last included."""

    first: date
    last: date

    @classmethod
    def of_days(cls, today: date, count: int) -> "Period":
        """The last so many, today included."""
        return cls(today - timedelta(days=count - 1), today)

    @classmethod
    def of_month(cls, day: date) -> "Period":
        """The whole month in which a day lies."""
        first = day.replace(day=1)
        return cls(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))

    @classmethod
    def of_month_before(cls, day: date) -> "Period":
        return cls.of_month(day.replace(day=1) - timedelta(days=1))

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def parted(self) -> tuple["Period | None", list["Period"]]:
        """The whole months in it, as one period, and what is left before and after them, each in one month."""
        begins = self.first if self.first.day == 1 else Period.of_month(self.first).last + DAY
        ends = self.last if (self.last + DAY).day == 1 else self.last.replace(day=1) - DAY
        if begins > ends + DAY:
            return None, [self]
        around = [Period(self.first, begins - DAY), Period(ends + DAY, self.last)]
        return Period(begins, ends) if begins <= ends else None, [period for period in around if period.days > 0]

    @property
    def others_of_month(self) -> list["Period"]:
        """Of what lies in one month, the other days of it."""
        month = Period.of_month(self.first)
        around = [Period(month.first, self.first - DAY), Period(self.last + DAY, month.last)]
        return [period for period in around if period.days > 0]

    @property
    def months(self) -> Iterator[date]:
        """The first day of each month in which it lies."""
        first = self.first.replace(day=1)
        while first <= self.last:
            yield first
            first = Period.of_month(first).last + DAY

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


NARROWINGS = ("account", "group", "provider", "model", "purpose", "outcome")


@dataclass(frozen=True, slots=True)
class Scope:
    """None: whoever, whatever. A group of 0 is what was used without one. `models`: the provider's, once looked up."""

    period: Period
    account: int | None = None
    group: int | None = None
    provider: int | None = None
    model: int | None = None
    purpose: str | None = None
    outcome: str | None = None
    models: tuple[int, ...] | None = None

    def in_period(self, period: Period) -> "Scope":
        return replace(self, period=period)

    @property
    def columns(self) -> set[str]:
        """What it is narrowed by. A provider is its models."""
        narrowed = {name for name in NARROWINGS if getattr(self, name) is not None}
        return {"model" if name == "provider" else name for name in narrowed}

    def filters(self) -> Q:
        """For the columns of UsageDay."""
        return self._narrowed("day") & (Q() if self.group is None else Q(group=self.group or None))

    def rolled_filters(self) -> Q:
        """For the columns of UsageRollup, but which of them."""
        return self._narrowed("first") & (Q() if self.group is None else Q(group=self.group))

    def _narrowed(self, day: str) -> Q:
        found = Q(**{f"{day}__gte": self.period.first, f"{day}__lte": self.period.last})
        for name in ("account", "model", "purpose", "outcome"):
            if (value := getattr(self, name)) is not None:
                found &= Q(**{name: value})
        if self.provider is not None:
            found &= Q(model__in=self.looked_up().models)
        return found

    def looked_up(self) -> "Scope":
        """With the models of its provider. Not by a join: the sums are many, and models few."""
        if self.provider is None or self.models is not None:
            return self
        models = LanguageModel.objects.filter(provider=self.provider).values_list("pk", flat=True)
        return replace(self, models=tuple(models))

"""Finds what administrators should be told, and writes it down: by what the rows say, once a minute, in one process.

Only a refusal is told by whoever refuses, since it leaves no row. Nothing is sent here: see delivering.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import DatabaseError
from django.db.models import F, Sum
from django.utils import timezone

from chat.accounting import budgets
from chat.models import (
    Account,
    Alert,
    AlertSettings,
    BudgetPeriod,
    Completion,
    LanguageModel,
    Proof,
    Provider,
    UsageRollup,
)
from chat.models.money import plain

logger = logging.getLogger(__name__)

RECENTLY = timedelta(hours=1)  # a failure that is older says nothing of now
BASE_DAYS, RECENT_DAYS = 14, 2
LEAST_REPLIES = 20  # of which a share can be told
RISE = 0.1

Kind, Status = Alert.Kind, Completion.Status
CUTS = ("reset", "stalled", "garbled", "ended_early")
OWN_FAULT = ("bad_request", "context_too_long", "content_filter", "not_started")  # not the provider's


@dataclass(frozen=True, slots=True)
class Cause:
    kind: Kind
    key: str
    facts: dict[str, object] = field(default_factory=dict)
    account: Account | None = None

    def give(self) -> None:
        Alert.give(self.kind, self.key, self.facts, account=self.account)


def causes(now: datetime) -> Iterator[Cause]:
    """All that there are now, whether told already or not."""
    wanted = AlertSettings.objects.first() or AlertSettings()
    yield from warnings(timezone.localdate(now))
    yield from failing(now, wanted.failing_count, wanted.failing_of)
    yield from more_estimates(timezone.localdate(now), wanted.estimates_percent)
    yield from books_off()


def untold(found: Iterable[Cause]) -> list[Cause]:
    found = list(found)
    told = set(Alert.objects.filter(key__in=[cause.key for cause in found], over=None).values_list("key", flat=True))
    return [cause for cause in found if cause.key not in told]


def end_all_but(keys: Iterable[str]) -> None:
    """What lasted, and does no more."""
    Alert.objects.filter(kind__in=Alert.LASTING, over=None).exclude(key__in=list(keys)).update(over=timezone.now())


# Budgets


def warnings(today: date) -> Iterator[Cause]:
    """Periods of today, and of yesterday: what was spent at midnight is seen a minute later."""
    running = BudgetPeriod.objects.filter(begins__lte=today, ends__gte=today - timedelta(days=1))
    reached = running.filter(spent__gte=F("soft")).select_related("budget__account__person", "budget__group")
    for period in reached.order_by("pk"):
        yield Cause(
            Kind.SOFT, f"soft {period.pk} {plain(period.soft)}", _facts(period, period.soft), period.budget.account
        )


def tell_refused(refused: budgets.Refused) -> None:
    """A budget has refused something: told once for each limit that it has. It never disturbs the refusal itself."""
    period = refused.period
    if refused.why != "spent" or period is None or period.pk is None or period.hard is None:
        return
    try:
        limit = period.hard + budgets.granted([period], timezone.now()).get(period.pk, Decimal(0))
        key = f"hard {period.pk} {plain(limit)}"
        if not Alert.objects.filter(key=key).exists():
            Cause(Kind.HARD, key, _facts(period, limit), period.budget.account).give()
    except DatabaseError:
        logger.exception("an alert could not be written")


def _facts(period: BudgetPeriod, limit: Decimal) -> dict[str, object]:
    """Without anybody's name: whose it is, the alert's account says."""
    return {
        "budget": period.budget_id,
        "group": period.budget.group.name if period.budget.group else "",
        "unit": period.budget.unit,
        "limit": plain(limit),
        "spent": plain(period.spent),
        "held": plain(period.held),
        "begins": period.begins.isoformat(),
        "ends": "" if period.ends == date.max else period.ends.isoformat(),
    }


# Providers


def failing(now: datetime, count: int, of: int) -> Iterator[Cause]:
    """So many of the last so many replies of a provider."""
    for provider in Provider.objects.filter(enabled=True).order_by("pk"):
        models = list(provider.models.values_list("pk", flat=True))
        ended = Completion.objects.filter(model__in=models, settled__gte=now - RECENTLY)
        last = list(ended.order_by("-settled").values_list("status", "reason")[:of])
        reasons = [reason for status, reason in last if has_failed(status, reason)]
        if len(reasons) >= count:
            most = max(set(reasons), key=reasons.count)
            facts = {"provider": provider.name, "failed": len(reasons), "of": len(last), "reason": most}
            yield Cause(Kind.FAILING, f"failing {provider.pk}", facts)


def has_failed(status: str, reason: str) -> bool:
    """By the provider's fault."""
    return (status == Status.FAILED and reason not in OWN_FAULT) or (status == Status.CUT and reason in CUTS)


def more_estimates(today: date, percent: int) -> Iterator[Cause]:
    """A provider of whose tokens lately so many are estimates, and clearly more than in the two weeks before."""
    recent = today - timedelta(days=RECENT_DAYS - 1)
    providers = dict(LanguageModel.objects.values_list("pk", "provider"))
    names = dict(Provider.objects.values_list("pk", "name"))
    lately = _shares(recent, today, providers)
    before = _shares(recent - timedelta(days=BASE_DAYS), recent - timedelta(days=1), providers)
    for provider, (share, replies) in sorted(lately.items()):
        was = before.get(provider, (0.0, 0))[0]
        if replies >= LEAST_REPLIES and share * 100 >= percent and share >= was + RISE:
            facts = {"provider": names[provider], "percent": round(share * 100), "before": round(was * 100)}
            yield Cause(Kind.ESTIMATES, f"estimates {provider}", facts)


def _shares(first: date, last: date, providers: dict[int, int]) -> dict[int, tuple[float, int]]:
    """By provider, what share of its tokens is an estimate, and of how many replies."""
    kept = {"by": UsageRollup.By.MODELS, "span": UsageRollup.Span.DAY, "first__gte": first, "first__lte": last}
    days = UsageRollup.objects.filter(**kept).order_by().values("model")
    tokens: defaultdict[int, int] = defaultdict(int)
    estimated, replies = defaultdict(int), defaultdict(int)
    names = ("input_tokens", "output_tokens", "estimated_input", "estimated_output", "replies")
    for row in days.annotate(**{f"sum_{name}": Sum(name) for name in names}):
        provider = providers[row["model"]]
        tokens[provider] += row["sum_input_tokens"] + row["sum_output_tokens"]
        estimated[provider] += row["sum_estimated_input"] + row["sum_estimated_output"]
        replies[provider] += row["sum_replies"]
    return {one: (estimated[one] / tokens[one] if tokens[one] > 0 else 0.0, replies[one]) for one in tokens}


# Books


def books_off() -> Iterator[Cause]:
    last = Proof.objects.exclude(ended=None).first()
    if last and last.status in (Proof.Status.OFF, Proof.Status.FAILED):
        yield Cause(Kind.BOOKS, "books", {"off": last.off, "proof": last.pk})

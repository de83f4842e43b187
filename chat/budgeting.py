"""What administrators do with budgets, paying groups and months. Each act leaves its line in the audit."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from chat.accounting import budgets, days, ledger
from chat.models import (
    Account,
    AuditEntry,
    Budget,
    BudgetPeriod,
    ClosedMonth,
    Completion,
    Grant,
    Group,
    Person,
    UsageDay,
)


class BelowHeld(Exception):
    """A limit below what queued and live replies hold, `held`, would take back what is granted."""

    def __init__(self, period: BudgetPeriod) -> None:
        super().__init__(f"{period} holds {period.held}")
        self.period = period


class MonthNotOver(Exception):
    """The month has not ended, or replies that were asked for in it have not."""


def add(by: Person | None, budget: Budget) -> BudgetPeriod:
    """Its period of today begins with what has been spent in it already, and counts what is live now when it ends."""
    with transaction.atomic():
        ledger.hold_still()
        budget.save()
        AuditEntry.record(by, "budget added", budget, after=budget.figures)
        return budgets.open_period(budget, timezone.localdate())


def change(by: Person | None, budget: Budget, *, soft: Decimal | None, hard: Decimal | None) -> None:
    """From this moment on, in the period that runs, too. Raises BelowHeld, and then nothing is changed."""
    with transaction.atomic():
        kept = _locked(budget)
        running = budget.periods.select_for_update(no_key=True).filter(ends__gte=timezone.localdate()).order_by("pk")
        for period in running:
            extra = budgets.granted([period], timezone.now()).get(period.pk, Decimal(0))
            if hard is not None and period.held > hard + extra:
                raise BelowHeld(period)
        before = kept.figures
        kept.soft, kept.hard = soft, hard
        kept.save(update_fields=["soft", "hard"])
        for period in running:
            BudgetPeriod.objects.filter(pk=period.pk).update(soft=soft, hard=hard)
        AuditEntry.record(by, "budget changed", kept, before=before, after=kept.figures)


def remove(by: Person | None, budget: Budget) -> None:
    """With its periods and what is held in them. What was spent stays in the ledger."""
    with transaction.atomic():
        _locked(budget)
        list(budget.periods.select_for_update().order_by("pk"))  # whoever takes a hold has them locked
        AuditEntry.record(by, "budget removed", budget, before=budget.figures)
        budget.delete()


def give(by: Person | None, budget: Budget, *, amount: Decimal, until: datetime, note: str = "") -> Grant:
    """More than the limit of the period that runs, until a moment."""
    with transaction.atomic():
        period = budgets.open_period(_locked(budget), timezone.localdate())
        account = Account.of(by) if by else None
        grant = Grant.objects.create(period=period, amount=amount, until=until, by=account, note=note)
        given = {"amount": amount, "until": until, "note": note}
        AuditEntry.record(by, "more granted", budget, after=given)
        return grant


def _locked(budget: Budget) -> Budget:
    """Before any of its periods: so does whoever opens one. Raises DoesNotExist, if somebody has removed it."""
    return Budget.objects.select_for_update(no_key=True).get(pk=budget.pk)


def save_group(by: Person | None, group: Group) -> None:
    with transaction.atomic():
        before = Group.objects.filter(pk=group.pk).values("name").first() if group.pk else None
        group.save()
        deed = "group renamed" if before else "group added"
        AuditEntry.record(by, deed, group, before=before, after={"name": group.name})


def remove_group(by: Person | None, group: Group) -> None:
    """Raises ProtectedError, where people, budgets or ledger lines name it."""
    with transaction.atomic():
        AuditEntry.record(by, "group removed", group, before={"name": group.name})
        group.delete()


def assign(by: Person | None, account: Account, group: Group | None) -> None:
    """Who pays for what the person asks for from now on."""
    with transaction.atomic():
        kept = Account.objects.select_for_update(of=("self",), no_key=True).select_related("group").get(pk=account.pk)
        if kept.group_id == (group.pk if group else None):
            return
        AuditEntry.record(by, "group assigned", kept, before={"group": kept.group}, after={"group": group})
        Account.objects.filter(pk=kept.pk).update(group=group)


def close_month(by: Person | None, first: date) -> ClosedMonth:
    """What comes late is booked in the next month that is open. Raises MonthNotOver."""
    following = (first + timedelta(days=31)).replace(day=1)
    with transaction.atomic():
        ledger.hold_still()
        late = Completion.objects.unsettled().filter(day__gte=first, day__lt=following)
        if timezone.localdate() < following or late.exists():
            raise MonthNotOver
        closed, is_new = ClosedMonth.objects.get_or_create(first=first, defaults={"by": Account.of(by) if by else None})
        if is_new:
            AuditEntry.record(by, "month closed", closed, after={"month": f"{first:%Y-%m}"})
        return closed


def rebuild(by: Person | None, day: date) -> int:
    """A day's sums anew from its lines; how many were wrong."""
    wrong = days.rebuild(day)
    AuditEntry.record(by, "day rebuilt", UsageDay(day=day), after={"wrong sums": wrong})
    return wrong


def running_periods() -> list[BudgetPeriod]:
    """Of all budgets, today's."""
    every = list(Budget.objects.select_related("account", "group").order_by("pk"))
    return budgets.standing_on(every, timezone.localdate())

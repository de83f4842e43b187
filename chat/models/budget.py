"""Budgets: what may be spent in a period, what is spent, and what queued and live completions hold of the rest.

    ask ──▶ held (a Hold each) ──▶ settled: what was used is spent, the rest is free again

`spent` is what the ledger says of the period; `held` is the sum of its Holds. Both belong to the period in which the
completion was asked for, whenever it ends.

A budget counts in its unit: a currency, or tokens. Tokens are counted in millions, so that they are exact in the same
field as money: a token is 0.000001, as if each cost so much.
"""

from datetime import date, timedelta
from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from chat.models.account import Account, Group
from chat.models.completion import Completion
from chat.models.money import MoneyField

TOKENS = "tokens"  # the unit that is no currency
ONE_EACH = _("There is a budget of this kind already. Change that one.")


class Budget(models.Model):
    """Of one account, of one group together, or of everybody together."""

    class Period(models.TextChoices):
        DAY = "day", _("each day")
        WEEK = "week", _("each week")
        MONTH = "month", _("each month")
        ONCE = "once", _("once")

    account = models.ForeignKey(Account, null=True, blank=True, on_delete=models.PROTECT, related_name="budgets")
    group = models.ForeignKey(Group, null=True, blank=True, on_delete=models.PROTECT, related_name="budgets")
    period = models.CharField(_("period"), max_length=5, choices=Period)
    unit = models.CharField(_("unit"), max_length=6)
    soft = MoneyField(_("warns at"), null=True, blank=True)
    hard = MoneyField(_("refuses at"), null=True, blank=True)
    begins = models.DateField(_("begins"))  # where it is once: what is spent from this day on counts
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        constraints = [
            models.CheckConstraint(condition=Q(account=None) | Q(group=None), name="budget_of_one"),
            models.UniqueConstraint(
                fields=["account", "period", "unit"],
                condition=~Q(account=None),
                name="account_budget_once",
                violation_error_message=ONE_EACH,
            ),
            models.UniqueConstraint(
                fields=["group", "period", "unit"],
                condition=~Q(group=None),
                name="group_budget_once",
                violation_error_message=ONE_EACH,
            ),
            models.UniqueConstraint(
                fields=["period", "unit"],
                condition=Q(account=None, group=None),
                name="everybodys_budget_once",
                violation_error_message=ONE_EACH,
            ),
        ]

    def __str__(self) -> str:
        whose = f"account {self.account_id}" if self.account_id else self.group or "everybody"
        return f"{whose}, {self.period}, {self.unit}"

    @property
    def figures(self) -> dict[str, object]:
        """What it says, for the audit."""
        whose = self.account or self.group
        return {"whose": whose, "period": self.period, "unit": self.unit, "soft": self.soft, "hard": self.hard}

    def has_begun(self, day: date) -> bool:
        return self.period != self.Period.ONCE or self.begins <= day

    def span(self, day: date) -> tuple[date, date]:
        """The first and the last day of the period that a day lies in."""
        match self.period:
            case self.Period.DAY:
                return day, day
            case self.Period.WEEK:
                monday = day - timedelta(days=day.weekday())
                return monday, monday + timedelta(days=6)
            case self.Period.MONTH:
                first = day.replace(day=1)
                return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            case _:
                return self.begins, date.max


class BudgetPeriod(models.Model):
    """One budget in one of its periods, with the limits that it has there."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="periods")
    begins = models.DateField()
    ends = models.DateField()  # its last day
    soft = MoneyField(null=True)
    hard = MoneyField(null=True)
    spent = MoneyField(default=Decimal(0))
    held = MoneyField(default=Decimal(0))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["budget", "begins"], name="budget_period_once")]

    def __str__(self) -> str:
        return f"budget {self.budget_id} from {self.begins}"


class Hold(models.Model):
    """What a queued or live completion may still cost one budget. Gone when it is settled."""

    completion = models.ForeignKey(Completion, on_delete=models.CASCADE, related_name="holds")
    period = models.ForeignKey(BudgetPeriod, on_delete=models.CASCADE, related_name="holds")
    amount = MoneyField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["completion", "period"], name="one_hold_each")]


class Grant(models.Model):
    """More than a period's limit, until a moment or the period's end: "10 € extra until Friday"."""

    period = models.ForeignKey(BudgetPeriod, on_delete=models.CASCADE, related_name="grants")
    amount = MoneyField(_("amount"))
    until = models.DateTimeField(_("until"))
    by = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(_("note"), max_length=200, blank=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="grant_gives")]

"""Budgets: what an ask may cost is held in its transaction, and becomes what is spent in the one that settles it.

1. Locks: the rows of budget periods are locked by key, after the completion and before the day's sums. Any other order
   ends in deadlocks.
2. All or nothing: an ask for several answers or models holds for all of them, or is refused.
3. A hold is the most that may come: the prompt's upper bound and the longest answer, at their dearest.
4. A longest answer that does not fit is lowered to what does; less than LEAST_OUTPUT is refused.
5. `spent` is what the ledger says of the period's days. So a line counts in the period of the day on which its
   completion was asked for, also for a budget that was made later.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Literal

from django.db.models import F, FilteredRelation, Manager, Q, QuerySet, Sum
from django.utils import timezone

from chat.accounting import pricing
from chat.models import Budget, BudgetPeriod, Completion, Grant, Hold, LanguageModel, Price, UsageDay, UsageEntry
from chat.models.budget import TOKENS
from chat.models.money import NANO, plus

LEAST_OUTPUT = 16  # tokens: a shorter answer is none
MTOK = 6  # a token is 10⁻⁶ of what a budget of tokens counts in


@dataclass(frozen=True, slots=True)
class Wanted:
    """A completion that is about to be queued, and how many tokens its prompt may have."""

    completion: Completion
    prompt: int


class Refused(Exception):
    """What is asked for may cost more than is left, and how much would still fit.

    `cap`: the sender's own limit is too small. `unpriced`: what it costs is not known in the budget's currency.
    """

    def __init__(
        self,
        why: Literal["spent", "cap", "unpriced"],
        model: LanguageModel,
        purse: "Purse",
        *,
        prompt: int = 0,
        needed: Decimal | None = None,
        fits: int = 0,
    ) -> None:
        super().__init__(why)
        self.why, self.model, self.prompt, self.needed = why, model, prompt, needed
        self.unit, self.left, self.period = purse.unit, purse.left, purse.period
        self.fits = fits  # tokens of an answer


@dataclass(slots=True)
class Purse:
    """What is left of one budget, or of the sender's own cap, which has no period. None: it sets no limit."""

    unit: str
    left: Decimal | None
    period: BudgetPeriod | None = None

    def share(self, among: int) -> Decimal | None:
        return None if self.left is None else (self.left / among).quantize(NANO, ROUND_DOWN)


# Which budgets there are


def of_whom(account: int, group: int | None) -> Q:
    """The budgets that an account's completions count in."""
    own = Q(account=account) | Q(account=None, group=None)
    return own if group is None else own | Q(group=group)


def counting(account: int, group: int | None, day: date) -> list[Budget]:
    """The budgets in which an account's completions of a day count."""
    return [budget for budget in Budget.objects.filter(of_whom(account, group)) if budget.has_begun(day)]


def periods_of(budgets: list[Budget], day: date) -> list[BudgetPeriod]:
    """Those that hold on a day, made where there are none yet, and locked. A budget that is removed has none."""
    found = list(there(budgets, day).select_for_update(of=("self",), no_key=True))
    if missing := {budget.pk for budget in budgets} - {period.budget_id for period in found}:
        for budget in sorted(budgets, key=lambda budget: budget.pk):
            if budget.pk in missing:
                open_period(budget, day)
        found = list(there(budgets, day).select_for_update(of=("self",), no_key=True))
    return found


def there(budgets: Iterable[Budget], day: date) -> QuerySet[BudgetPeriod]:
    """The periods that there are already, in the order of locks."""
    found = BudgetPeriod.objects.filter(budget__in=budgets, begins__lte=day, ends__gte=day)
    return found.select_related("budget__group", "budget__account").order_by("pk")


def standing_on(budgets: Iterable[Budget], day: date) -> list[BudgetPeriod]:
    """One for each budget, for who only looks: a period that nobody has used yet is not saved."""
    known = {period.budget_id: period for period in there(budgets, day)}
    return [known.get(budget.pk) or _unsaved(budget, day) for budget in budgets]


def _unsaved(budget: Budget, day: date) -> BudgetPeriod:
    begins, ends = budget.span(day)
    spent = spent_in(budget, begins, ends, UsageDay.objects)
    return BudgetPeriod(budget=budget, begins=begins, ends=ends, soft=budget.soft, hard=budget.hard, spent=spent)


def open_period(budget: Budget, day: date) -> BudgetPeriod | None:
    """The one that a day lies in; None if the budget was removed. A new one begins with what its days have cost."""
    found = BudgetPeriod.objects.filter(budget=budget, begins=budget.span(day)[0]).first()
    if found is None:
        # Locked: whoever changes its limits, or removes it, waits until its period is there to be changed, too.
        kept = Budget.objects.select_for_update(no_key=True).filter(pk=budget.pk).first()
        if kept is None:
            return None
        new = _unsaved(kept, day)
        start = {name: getattr(new, name) for name in ("ends", "soft", "hard", "spent")}
        found, _new = BudgetPeriod.objects.get_or_create(budget=budget, begins=new.begins, defaults=start)
    return found


def spent_in(budget: Budget, begins: date, ends: date, booked: Manager) -> Decimal:
    """What lines, or the days' sums of them, say of these days."""
    booked = booked.filter(day__gte=begins, day__lte=ends)
    if budget.account_id:
        booked = booked.filter(account=budget.account_id)
    if budget.group_id:
        booked = booked.filter(group=budget.group_id)
    if budget.unit == TOKENS:
        sums = booked.aggregate(input=Sum("input_tokens"), output=Sum("output_tokens"))
        return in_millions((sums["input"] or 0) + (sums["output"] or 0))
    return booked.filter(currency=budget.unit).aggregate(sum=Sum("amount"))["sum"] or Decimal(0)


def in_millions(tokens: int) -> Decimal:
    return Decimal(tokens).scaleb(-MTOK)


# Holding


def hold(wanted: list[Wanted], periods: list[BudgetPeriod], *, cap: Decimal | None, now: datetime) -> None:
    """Takes the holds of one ask from its locked periods, and lowers the longest answers to what fits.

    Raises Refused, and then nothing is to be committed. `cap` is for all of them together, in their price's currency.
    """
    extra = granted(periods, now)
    purses = _purses(periods, extra)
    for currency in {one.completion.price.currency for one in wanted if one.completion.price} if cap else ():
        purses.append(Purse(currency, cap))
    waiting = sorted(wanted, key=_dearness)
    holds: list[Hold] = []
    for number, one in enumerate(waiting):
        holds += _fit(one, purses, among=len(waiting) - number, capped=cap is not None)
    _take(periods, extra, holds)
    Hold.objects.bulk_create(holds)


def fitting(models: list[LanguageModel], prompt: int, budgets: list[Budget], now: datetime) -> list[LanguageModel]:
    """Those that could still give one answer to a prompt of so many tokens, the longest answers first."""
    periods = standing_on(budgets, timezone.localdate(now))
    extra, prices = granted(periods, now), Price.current(models, now)
    lengths: dict[LanguageModel, int] = {}
    for model in models:
        completion = Completion(model=model, price=prices.get(model.pk), max_output=model.max_output)
        with suppress(Refused):
            _fit(Wanted(completion, prompt), _purses(periods, extra), among=1, capped=False)
            lengths[model] = completion.max_output
    return sorted(lengths, key=lambda model: -lengths[model])


def _purses(periods: Iterable[BudgetPeriod], extra: dict[int, Decimal]) -> list[Purse]:
    return [Purse(period.budget.unit, _left(period, extra.get(period.pk)), period) for period in periods]


def granted(periods: Iterable[BudgetPeriod], now: datetime) -> dict[int, Decimal]:
    """By period, what is given beyond its limit at this moment."""
    limited = [period.pk for period in periods if period.pk and period.hard is not None]
    grants = Grant.objects.filter(period__in=limited, until__gt=now)
    return dict(grants.values("period").annotate(sum=Sum("amount")).values_list("period", "sum"))


def _left(period: BudgetPeriod, extra: Decimal | None) -> Decimal | None:
    if period.hard is None:
        return None
    return max(period.hard + (extra or 0) - period.spent - period.held, Decimal(0))


def _dearness(one: Wanted) -> Decimal:
    """The cheap ones first: what they leave of their share is for the others."""
    price = one.completion.price
    output = one.completion.max_output * one.completion.n
    return pricing.most(one.prompt, output, price) if price else in_millions(one.prompt + output)


def _fit(one: Wanted, purses: list[Purse], *, among: int, capped: bool) -> list[Hold]:
    """Lowers one completion's longest answer to its share of what is left, and takes what it may cost."""
    completion = one.completion
    _refuse_unpriced(one, purses, capped)
    shares = [(purse, share) for purse in purses if (share := purse.share(among)) is not None]
    for purse, share in shares:
        if purse.period is None and _cost(one, 0, purse.unit) is not None:
            completion.cap = share
    fitting = [(fits, purse) for purse, share in shares if (fits := _most_output(one, purse.unit, share)) is not None]
    if fitting:
        fits, tightest = min(fitting, key=lambda pair: pair[0])
        least = min(LEAST_OUTPUT, completion.max_output)
        if fits < least:
            needed, why = _cost(one, least, tightest.unit), "spent" if tightest.period else "cap"
            raise Refused(why, completion.model, tightest, prompt=one.prompt, needed=needed, fits=max(fits, 0))
        completion.max_output = min(completion.max_output, fits)
    return [hold for purse in purses if (hold := _taken(one, purse))]


def _taken(one: Wanted, purse: Purse) -> Hold | None:
    cost = _cost(one, one.completion.max_output, purse.unit)
    if cost is None:
        return None
    if purse.left is not None:
        purse.left -= cost
    return Hold(completion=one.completion, period=purse.period, amount=cost) if purse.period else None


def _refuse_unpriced(one: Wanted, purses: list[Purse], capped: bool) -> None:
    """Of each owner of hard money budgets, at least one must be in the price's currency."""
    completion, price = one.completion, one.completion.price
    if price and price.free:
        return
    if price is None and capped:
        raise Refused("unpriced", completion.model, Purse("", None), prompt=one.prompt)
    owners: dict[tuple, list[Purse]] = {}
    for purse in purses:
        if purse.period and purse.left is not None and purse.unit != TOKENS:
            budget = purse.period.budget
            owners.setdefault((budget.account_id, budget.group_id), []).append(purse)
    for own in owners.values():
        if price is None or price.currency not in {purse.unit for purse in own}:
            raise Refused("unpriced", completion.model, own[0], prompt=one.prompt)


def _cost(one: Wanted, output: int, unit: str) -> Decimal | None:
    """What it may cost with so long an answer; None where it does not count in that unit."""
    price = one.completion.price
    if unit == TOKENS:
        return in_millions(one.prompt + output * one.completion.n)
    if price is None or price.currency != unit:
        return None
    return pricing.most(one.prompt, output * one.completion.n, price)


def _most_output(one: Wanted, unit: str, room: Decimal) -> int | None:
    """The longest answer, each of its n, whose cost stays within `room`; negative: not even the prompt's does."""
    price = one.completion.price
    if unit == TOKENS:
        fits: int | None = int(room.scaleb(MTOK)) - one.prompt
    elif price is None or price.currency != unit:
        fits = None
    else:
        fits = pricing.most_output(room, one.prompt, price)
    return None if fits is None else fits // one.completion.n


def _take(periods: list[BudgetPeriod], extra: dict[int, Decimal], holds: list[Hold]) -> None:
    """One conditional UPDATE for each budget. The rows are locked: one that has no room any more is a mistake here."""
    for period in periods:
        amount = sum((hold.amount for hold in holds if hold.period_id == period.pk), Decimal(0))
        room = Q(hard=None) | Q(spent__lte=plus("hard", extra.get(period.pk, Decimal(0)) - amount) - F("held"))
        if amount:
            taken = BudgetPeriod.objects.filter(room, pk=period.pk).update(held=plus("held", amount))
            assert taken == 1, f"{period} has no room for {amount}"


# Settling


def settle(completion: Completion, line: UsageEntry) -> None:
    """Moves the completion's holds to what is spent: where they were taken, and exactly these."""
    is_its_day = line.day == completion.day
    held_any = False
    for period, unit, held in _covering(completion):
        worth = worth_of(line, unit) if is_its_day else None
        changes = {name: plus(name, figure) for name, figure in (("held", -(held or 0)), ("spent", worth)) if figure}
        if changes:
            BudgetPeriod.objects.filter(pk=period).update(**changes)
        held_any = held_any or held is not None
    if held_any:
        Hold.objects.filter(completion=completion).delete()
    if not is_its_day:
        book(line)


def book(line: UsageEntry) -> None:
    """Adds a line to what is spent in the periods of its day."""
    for budget in sorted(counting(line.account_id, line.group_id, line.day), key=lambda budget: budget.pk):
        if worth := worth_of(line, budget.unit):
            if period := open_period(budget, line.day):  # the line is not in its day's sums yet: they come last
                BudgetPeriod.objects.filter(pk=period.pk).update(spent=plus("spent", worth))


def worth_of(line: UsageEntry, unit: str) -> Decimal | None:
    """What a line is in a budget's unit."""
    if unit == TOKENS:
        return in_millions(line.input_tokens + line.output_tokens)
    return line.amount if line.currency == unit else None


def _covering(completion: Completion) -> list[tuple[int, str, Decimal | None]]:
    """Each period that it counts in, with its unit and what it holds there, in the order of locks."""
    budgets = Budget.objects.filter(of_whom(completion.account_id, completion.group_id))
    own = FilteredRelation("holds", condition=Q(holds__completion=completion.pk))
    periods = BudgetPeriod.objects.filter(budget__in=budgets, begins__lte=completion.day, ends__gte=completion.day)
    return list(periods.annotate(own=own).order_by("pk").values_list("pk", "budget__unit", "own__amount"))

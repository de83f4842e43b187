"""People, their groups and budgets. Administrators only: for others these pages do not exist."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.db import IntegrityError
from django.db.models import Count, ProtectedError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat import budgeting
from chat.access import budget_for, group_for
from chat.forms.money import BudgetForm, GrantForm, GroupForm, LimitsForm
from chat.models import Account, Budget, Grant, Group, Person
from chat.models.budget import TOKENS
from chat.models.money import plain
from chat.templatetags.money import quantity
from chat.views.administration import administrators_only

MOST_PERIODS = 24


@require_GET
@administrators_only
def index(request: HttpRequest) -> HttpResponse:
    return _index(request)


def _index(request: HttpRequest, **forms) -> HttpResponse:
    groups = list(Group.objects.annotate(people=Count("accounts")).order_by("name"))
    people = Person.objects.select_related("account__group").order_by("username")
    page = {
        "periods": budgeting.running_periods(),
        "paying_groups": groups,
        "people": people,
        "form": BudgetForm(),
    } | forms
    status = 422 if any(form.errors for form in forms.values()) else 200
    return render(request, "budgets/index.html", page | forms, status=status)


# Budgets


@require_POST
@administrators_only
def new(request: HttpRequest) -> HttpResponse:
    form = BudgetForm(request.POST)
    if not form.is_valid():
        return _index(request, form=form)
    try:
        budgeting.add(request.user, form.budget)
    except IntegrityError:  # a second click's, or somebody else's, is a moment older: now the form says so
        return _index(request, form=BudgetForm(request.POST))
    messages.success(request, _("The budget holds from now on; what its period has cost so far is in it."))
    return redirect("budgets")


@require_http_methods(["GET", "POST"])
@administrators_only
def budget(request: HttpRequest, pk: int) -> HttpResponse:
    one = budget_for(request.user, pk)
    form = LimitsForm(request.POST if request.method == "POST" else None, initial=_typed(one), unit=one.unit)
    if request.method == "POST" and form.is_valid():
        try:
            with _or_404():
                budgeting.change(request.user, one, soft=form.cleaned_data["soft"], hard=form.cleaned_data["hard"])
        except budgeting.BelowHeld as below:
            form.add_error("hard", _below_held(below))
        else:
            messages.success(request, _("Saved."))
            return redirect("budget", one.pk)
    return _page(request, one, form=form)


@contextmanager
def _or_404() -> Iterator[None]:
    """If somebody has removed it meanwhile."""
    try:
        yield
    except Budget.DoesNotExist:
        raise Http404 from None


def _typed(one: Budget) -> dict[str, object]:
    """The limits as they are typed: tokens as tokens, and no places that say nothing."""
    limits = {"soft": one.soft, "hard": one.hard}
    scale = 6 if one.unit == TOKENS else 0
    return {name: plain(limit.scaleb(scale)) for name, limit in limits.items() if limit is not None}


def _below_held(below: budgeting.BelowHeld) -> str:
    held = quantity(below.period.held, below.period.budget.unit)
    return _("Replies that are arriving hold %(held)s of it: it cannot be lower until they end.") % {"held": held}


def _page(request: HttpRequest, one: Budget, **forms) -> HttpResponse:
    running = next(period for period in budgeting.running_periods() if period.budget_id == one.pk)
    page = {
        "budget": one,
        "period": running,
        "grants": Grant.objects.filter(period=running.pk).select_related("by").order_by("-pk") if running.pk else [],
        "past": one.periods.filter(ends__lt=timezone.localdate()).order_by("-begins")[:MOST_PERIODS],
        "form": LimitsForm(initial=_typed(one), unit=one.unit),
        "grant": GrantForm(unit=one.unit),
        "today": timezone.localdate(),
    } | forms
    status = 422 if any(form.errors for form in forms.values()) else 200
    return render(request, "budgets/budget.html", page, status=status)


@require_POST
@administrators_only
def give(request: HttpRequest, pk: int) -> HttpResponse:
    """More than the limit, until the end of a day."""
    one = budget_for(request.user, pk)
    form = GrantForm(request.POST, unit=one.unit)
    if not form.is_valid():
        return _page(request, one, grant=form)
    fields = form.cleaned_data
    with _or_404():
        budgeting.give(request.user, one, amount=fields["amount"], until=form.until, note=fields["note"])
    messages.success(request, _("Granted."))
    return redirect("budget", one.pk)


@require_POST
@administrators_only
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    with _or_404():
        budgeting.remove(request.user, budget_for(request.user, pk))
    messages.success(request, _("The budget is removed. What was spent stays in the books."))
    return redirect("budgets")


# Groups


@require_POST
@administrators_only
def new_group(request: HttpRequest) -> HttpResponse:
    form = GroupForm(request.POST)
    if not form.is_valid():
        return _index(request, group_form=form)
    try:
        budgeting.save_group(request.user, form.instance)
    except IntegrityError:
        return _index(request, group_form=GroupForm(request.POST))
    return redirect("budgets")


@require_POST
@administrators_only
def group(request: HttpRequest, pk: int) -> HttpResponse:
    """Another name."""
    form = GroupForm(request.POST, instance=group_for(request.user, pk))
    if not form.is_valid():
        return _index(request, group_form=form)
    budgeting.save_group(request.user, form.instance)
    return redirect("budgets")


@require_POST
@administrators_only
def remove_group(request: HttpRequest, pk: int) -> HttpResponse:
    one = group_for(request.user, pk)
    try:
        budgeting.remove_group(request.user, one)
    except (ProtectedError, IntegrityError):  # the second is what was asked for at the same moment
        sentence = _("%(group)s has people, a budget or usage, and stays. Rename it, or move its people.")
        messages.error(request, sentence % {"group": one.name})
    else:
        messages.success(request, _("%(group)s is removed.") % {"group": one.name})
    return redirect("budgets")


@require_POST
@administrators_only
def assign(request: HttpRequest, pk: int) -> HttpResponse:
    """Which group pays for a person; none if it is empty."""
    person = Person.objects.filter(pk=pk).first()
    if person is None:
        raise Http404
    chosen = request.POST.get("group", "")
    number = int(chosen) if chosen.isdecimal() and len(chosen) < 19 else 0
    group = group_for(request.user, number) if chosen else None
    budgeting.assign(request.user, Account.of(person), group)
    messages.success(request, _("Saved."))
    return redirect("budgets")

"""A provider's bill beside the books. Administrators only: for others the page does not exist."""

from datetime import date
from decimal import Decimal

from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from chat import bill_file
from chat.access import provider_for
from chat.accounting import reconciliation
from chat.accounting.reconciliation import Billed, Comparison
from chat.csv_reading import BadList
from chat.models import Provider
from chat.models.money import plain
from chat.views.administration import administrators_only

SALT = "a bill that was compared"
KEPT_SECONDS = 24 * 3600


@require_http_methods(["GET", "POST"])
@administrators_only
def reconcile(request: HttpRequest) -> HttpResponse:
    """Reads a bill, and shows it beside the books. Nothing is written."""
    if request.method == "GET":
        return _page(request)
    provider = _chosen(request)
    file = request.FILES.get("file")
    if provider is None or file is None:
        return _page(request, faults=[_("Choose a provider and a CSV file first.")], provider=provider)
    try:
        bill = bill_file.read(file.read(bill_file.LARGEST_FILE + 1))
    except BadList as bad:
        return _page(request, faults=bad.faults, provider=provider)
    found = reconciliation.compare(provider, bill.billed, bill.currency)
    return _page(request, provider=provider, found=found, file=file.name, form=bill.format)


@require_POST
@administrators_only
def correct(request: HttpRequest) -> HttpResponse:
    """Writes the corrections of a bill that was shown."""
    try:
        kept = signing.loads(request.POST.get("bill", ""), salt=SALT, max_age=KEPT_SECONDS)
    except signing.BadSignature:
        messages.error(request, _("This comparison is older than a day. Compare the file again."))
        return redirect("reconcile")
    provider = provider_for(request.user, kept["provider"])
    found = reconciliation.compare(provider, map(_billed, kept["billed"]), kept["currency"])
    count = reconciliation.correct(request.user, found, file=kept["file"])
    words = ngettext("%(n)d estimate is exact now.", "%(n)d estimates are exact now.", count) % {"n": count}
    messages.success(request, words if count else _("There was nothing left to correct."))
    after = reconciliation.compare(provider, found.billed, found.currency)
    return _page(request, provider=provider, found=after, file=kept["file"])


def _chosen(request: HttpRequest) -> Provider | None:
    chosen = request.POST.get("provider", "")
    return provider_for(request.user, int(chosen)) if chosen.isdecimal() and len(chosen) < 19 else None


def _page(
    request: HttpRequest, faults: list[str] | None = None, found: Comparison | None = None, **page
) -> HttpResponse:
    providers = Provider.objects.exclude(profile="demo").order_by("name")
    context = {"faults": faults, "found": found, "providers": providers, "columns": bill_file.COLUMNS, **page}
    if found:
        context["correctable"] = found.correctable
        context["bill"] = _kept(found, page["file"])
    return render(request, "usage/reconcile.html", context, status=422 if faults else 200)


def _kept(found: Comparison, file: str) -> str:
    """The bill as the page carries it to the act, so that nobody has to send the file again."""
    billed = [
        [
            one.day.isoformat(),
            one.model,
            one.input_tokens,
            one.output_tokens,
            None if one.cost is None else plain(one.cost),
        ]
        for one in found.billed
    ]
    bill = {"provider": found.provider.pk, "currency": found.currency, "file": file, "billed": billed}
    return signing.dumps(bill, salt=SALT, compress=True)


def _billed(kept: list) -> Billed:
    day, model, input_tokens, output_tokens, cost = kept
    return Billed(date.fromisoformat(day), model, input_tokens, output_tokens, None if cost is None else Decimal(cost))

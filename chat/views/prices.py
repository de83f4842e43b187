"""Models and their prices. Administrators only: for others these pages do not exist."""

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat import connecting, price_setting
from chat.access import listed_model_for, provider_for
from chat.forms.money import PriceForm
from chat.models import LanguageModel
from chat.price_file import COLUMNS, BadList, import_csv
from chat.templatetags.troubles import trouble
from chat.upstream.client import UpstreamError
from chat.views.administration import administrators_only


@require_GET
@administrators_only
def index(request: HttpRequest) -> HttpResponse:
    return _index(request)


def _index(request: HttpRequest, faults: list[str] | None = None) -> HttpResponse:
    everything = "all" in request.GET
    listed = LanguageModel.objects.select_related("provider").order_by("provider__name", "name")
    shown = listed if everything else listed.filter(enabled=True, provider__enabled=True)
    more = 0 if everything else listed.count() - shown.count()
    page = {"models": shown, "more": more, "columns": COLUMNS, "faults": faults}
    return render(request, "prices/index.html", page, status=422 if faults else 200)


@require_POST
@administrators_only
def import_file(request: HttpRequest) -> HttpResponse:
    file = request.FILES.get("file")
    if file is None:
        return _index(request, [_("Choose a CSV file first.")])
    try:
        count = import_csv(request.user, file.read())
    except BadList as bad:
        return _index(request, bad.faults)
    messages.success(request, ngettext("%(n)d price is set.", "%(n)d prices are set.", count) % {"n": count})
    return redirect("prices")


@require_POST
@administrators_only
def take_listed(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks the provider for its list, which takes some seconds."""
    provider = provider_for(request.user, pk)
    try:
        count = connecting.take_listed_prices(request.user, provider)
    except UpstreamError as error:
        messages.error(request, trouble(error.failure, provider.base_url))
        return redirect("prices")
    if count:
        words = ngettext("%(n)d price of %(provider)s is set.", "%(n)d prices of %(provider)s are set.", count)
    else:
        words = _("%(provider)s lists no other prices than those that are set.")
    messages.success(request, words % {"n": count, "provider": provider})
    return redirect("prices")


@require_http_methods(["GET", "POST"])
@administrators_only
def of_model(request: HttpRequest, pk: int) -> HttpResponse:
    one = listed_model_for(request.user, pk)
    form = PriceForm(request.POST if request.method == "POST" else None, model=one)
    if request.method == "POST" and form.is_valid():
        try:
            price_setting.add(request.user, form.instance)
        except IntegrityError:  # a second click's is a moment older: now the form says so
            form = PriceForm(request.POST, model=one)
        else:
            messages.success(request, _("The price of %(model)s is set.") % {"model": one.name})
            return redirect("prices-of-model", one.pk)
    page = {"model": one, "form": form, "prices": one.prices.all()}
    return render(request, "prices/model.html", page, status=422 if form.errors else 200)

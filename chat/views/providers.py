"""Providers and their models. Administrators only: for others these pages do not exist."""

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat import connecting
from chat.access import listed_model_for, provider_for
from chat.forms.providers import CONNECTABLE, KeptProviderForm, LanguageModelForm, NewProviderForm
from chat.models import AuditEntry, Person, Provider
from chat.templatetags.provider_check import steps
from chat.templatetags.troubles import trouble
from chat.upstream.check import check as check_upstream
from chat.upstream.client import MAX_MODELS, UpstreamError
from chat.upstream.profiles import PROFILES, Profile
from chat.views.administration import administrators_only, record_form
from chat.views.messages import refusal

# All of them


@require_GET
@administrators_only
def index(request: HttpRequest) -> HttpResponse:
    offered = Count("models", filter=Q(models__enabled=True))
    providers = Provider.objects.annotate(listed=Count("models"), offered=offered).order_by("-enabled", "name")
    return render(request, "providers/index.html", {"providers": providers})


@require_http_methods(["GET", "POST"])
@administrators_only
@sensitive_post_parameters("key")
def new(request: HttpRequest) -> HttpResponse:
    """With a profile in the address, its own base URL and name are filled in; htmx asks for these fields only."""
    if request.method == "POST":
        return _connect(request, NewProviderForm(request.POST))
    profile = request.GET.get("profile", "")
    if profile not in CONNECTABLE:
        profile = ""
    form = NewProviderForm(initial=_preset(profile) if profile else {})
    fields_only = request.headers.get("HX-Request")
    return render(request, "providers/_place.html" if fields_only else "providers/new.html", _new_page(form, profile))


def _preset(profile: str) -> dict:
    facts = PROFILES[profile]
    return {
        "name": connecting.free_name(profile, facts.base_url) if facts.base_url else "",
        "base_url": facts.base_url,
        "local": connecting.is_nearby(facts),
        "max_streams": facts.streams_at_once,
    }


def _new_page(form: NewProviderForm, profile: str) -> dict:
    facts = PROFILES.get(profile)
    presets = sorted(((name, PROFILES[name]) for name in CONNECTABLE), key=lambda preset: _rank(preset[1]))
    return {"form": form, "profile": profile, "facts": facts, "presets": presets}


def _rank(facts: Profile) -> int:
    """Those that are somewhere, then servers of one's own, then those that may be anywhere."""
    return 2 if not facts.base_url else 1 if connecting.is_nearby(facts) else 0


@sensitive_variables()
def _connect(request: HttpRequest, form: NewProviderForm) -> HttpResponse:
    if not form.is_valid():
        return _not_connected(request, form, form.complaints)
    provider = form.instance
    provider.name = provider.name or connecting.free_name(provider.profile, provider.base_url)
    try:
        listed = connecting.listed_by(provider, form.cleaned_data["key"], form.cleaned_data["models"])
    except UpstreamError as error:
        return _not_connected(request, form, [trouble(error.failure, provider.base_url)])
    with transaction.atomic():
        provider.save()
        record_form(request.user, "provider connected", form)
    connecting.equip(request.user, provider, form.cleaned_data["key"], listed)
    count = provider.models.count()
    messages.success(
        request,
        ngettext("Connected. %(count)d model is offered.", "Connected. %(count)d models are offered.", count)
        % {"count": count},
    )
    return _go(request, "provider", provider.pk)


def _not_connected(request: HttpRequest, form: NewProviderForm, complaints: list[str]) -> HttpResponse:
    """To htmx only what was wrong: all that was typed stays in its place, the key too, which is never sent back."""
    if request.headers.get("HX-Request"):
        return render(request, "providers/_complaints.html", {"complaints": complaints}, status=422)
    page = _new_page(form, request.POST.get("profile", "")) | {"complaints": complaints}
    return render(request, "providers/new.html", page, status=422)


def _go(request: HttpRequest, name: str, *args) -> HttpResponse:
    response = redirect(name, *args)
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": response["Location"]})
    return response


# One of them


@require_http_methods(["GET", "POST"])
@administrators_only
@sensitive_post_parameters("key")
def provider(request: HttpRequest, pk: int) -> HttpResponse:
    one = provider_for(request.user, pk)
    form = KeptProviderForm(request.POST if request.method == "POST" else None, instance=one)
    if request.method == "POST" and form.is_valid():
        _save(request.user, form)
        messages.success(request, _("Saved."))
        return _go(request, "provider", one.pk)
    if request.method == "POST" and request.headers.get("HX-Request"):
        return render(request, "providers/_complaints.html", {"complaints": form.complaints}, status=422)
    return _page(request, provider_for(request.user, pk), form=form, complaints=form.complaints)


@sensitive_variables()
def _save(by: Person, form: KeptProviderForm) -> None:
    key, forgotten = form.cleaned_data["key"], form.cleaned_data["forget_key"]
    with transaction.atomic():
        kept = form.save()
        record_form(
            by, "provider changed", form, **({"key": "pasted" if key else "forgotten"} if key or forgotten else {})
        )
    if key:
        kept.keep_key(key)
    elif forgotten:
        kept.keep_key("")


def _page(request: HttpRequest, one: Provider, **more) -> HttpResponse:
    page = {"provider": one, "form": KeptProviderForm(instance=one), "models": one.models.all()} | more
    page["most_listed"] = MAX_MODELS
    return render(request, "providers/provider.html", page, status=422 if page.get("complaints") else 200)


@require_POST
@administrators_only
def list_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Or, with a name, adds a model that the provider does not list."""
    one = provider_for(request.user, pk)
    before = one.models.count()
    if name := request.POST.get("name", "").strip():
        if not connecting.add_model(request.user, one, name):
            messages.error(request, _("A model’s name has at most 200 characters, all of them visible."))
            return redirect("provider", one.pk)
    elif failure := connecting.list_models(one, request.user):
        messages.error(request, trouble(failure, one.base_url))
        return redirect("provider", one.pk)
    count = one.models.count() - before
    messages.success(request, ngettext("%(count)d new model.", "%(count)d new models.", count) % {"count": count})
    return redirect("provider", one.pk)


@require_POST
@administrators_only
def offer(request: HttpRequest, pk: int) -> HttpResponse:
    """Which models people can choose: those ticked, or all, or none."""
    one = provider_for(request.user, pk)
    wanted = [int(model) for model in request.POST.getlist("model") if model.isdecimal() and len(model) < 19]
    chosen = {"all": Q(), "none": Q(pk__in=[])}.get(request.POST.get("which", ""), Q(pk__in=wanted))
    with transaction.atomic():
        before = one.models.filter(enabled=True).count()
        one.models.update(enabled=False)
        after = one.models.filter(chosen).update(enabled=True)
        AuditEntry.record(request.user, "models offered", one, before={"offered": before}, after={"offered": after})
    messages.success(request, _("Saved."))
    return redirect("provider", one.pk)


@require_POST
@administrators_only
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    one = provider_for(request.user, pk)
    AuditEntry.record(request.user, "provider removed", one, before={"base_url": one.base_url})
    if connecting.remove(one):
        messages.success(request, _("%(name)s is removed.") % {"name": one.name})
    else:
        sentence = _("%(name)s is disabled, and its stored key forgotten. Replies and usage still name it.")
        messages.success(request, sentence % {"name": one.name})
    return redirect("providers")


@require_POST
@administrators_only
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks a model a few short things, which takes some seconds."""
    one = provider_for(request.user, pk)
    model = one.models.filter(name=request.POST.get("model", "")).first() or one.models.filter(enabled=True).first()
    if model is None:
        raise Http404
    report = check_upstream(one.endpoint, model.name)
    one.note_failure(report.failure)
    found = {"report": report, "steps": steps(report, one), "checked": model}
    if request.headers.get("HX-Request"):
        return render(request, "providers/_report.html", found)
    return _page(request, one, **found)


# A model


@require_http_methods(["GET", "POST"])
@administrators_only
def model(request: HttpRequest, pk: int) -> HttpResponse:
    one = listed_model_for(request.user, pk)
    form = LanguageModelForm(request.POST if request.method == "POST" else None, instance=one)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            record_form(request.user, "model changed", form)
        messages.success(request, _("%(name)s is saved.") % {"name": one.name})
        return redirect("provider", one.provider_id)
    page = {"model": one, "form": form, "provider": one.provider}
    return render(request, "providers/model.html", page, status=422 if form.errors else 200)


# Found on this machine


@require_GET
@administrators_only
def nearby(request: HttpRequest) -> HttpResponse:
    return render(request, "chat/_nearby.html", {"servers": connecting.nearby()})


@require_POST
@administrators_only
def connect(request: HttpRequest) -> HttpResponse:
    if connecting.connect_nearby(request.user, request.POST.get("profile", "")) is None:
        return refusal(request, _("This server does not answer any more. Start it, and look again."), 409)
    return _go(request, "new-conversation")

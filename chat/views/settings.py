"""A person's own settings: their account, what conversations begin with, personas, and how the site looks to them."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.i18n import set_language

from chat.access import persona_for
from chat.forms.settings import EmailForm, PersonaForm, WaysForm
from chat.models import LanguageModel, Person, Persona
from chat.models.persona import MOST_PERSONAS

_MOST = {"most": MOST_PERSONAS}


@require_GET
@login_required
def index(request: HttpRequest) -> HttpResponse:
    return _page(request)


def _page(request: HttpRequest, **forms) -> HttpResponse:
    """All of it; a form that was refused is shown with what was typed."""
    person: Person = request.user
    personas = list(person.personas.named())
    page = {
        "email": EmailForm(initial={"email": person.email}),
        "beginning": PersonaForm(persona=Persona.nameless(person), needs_name=False),
        "ways": WaysForm(initial={name: getattr(person, name) for name in WaysForm.base_fields}),
        "personas": personas,
        "is_full": len(personas) >= MOST_PERSONAS,
        "most": MOST_PERSONAS,
        "models": LanguageModel.objects.usable(),
        **forms,
    }
    return render(request, "yours/settings.html", page, status=422 if forms else 200)


# The account


@require_POST
@login_required
def email(request: HttpRequest) -> HttpResponse:
    form = EmailForm(request.POST)
    if not form.is_valid():
        return _page(request, email=form)
    request.user.keep(email=form.cleaned_data["email"])
    return _saved(request)


class ChangePassword(PasswordChangeView):
    """This session goes on; every other one ends, and its open pages with it."""

    template_name = "yours/password.html"
    success_url = reverse_lazy("settings")

    def form_valid(self, form) -> HttpResponse:
        messages.success(
            self.request, _("Your password is changed. Wherever else you were signed in, you are not now.")
        )
        return super().form_valid(form)


change_password = ChangePassword.as_view(extra_context={"site_name": settings.SITE_NAME})


# What conversations begin with


@require_POST
@login_required
def beginning(request: HttpRequest) -> HttpResponse:
    form = PersonaForm(request.POST, persona=Persona.nameless(request.user), needs_name=False)
    if not form.is_valid():
        return _page(request, beginning=form)
    form.save()
    return _saved(request)


@require_http_methods(["GET", "POST"])
@login_required
def new_persona(request: HttpRequest) -> HttpResponse:
    if request.user.personas.named().count() >= MOST_PERSONAS:
        messages.error(request, _("You have %(most)d personas, which is all there can be. Delete one first.") % _MOST)
        return redirect("settings")
    return _persona(request, Persona(person=request.user))


@require_http_methods(["GET", "POST"])
@login_required
def persona(request: HttpRequest, pk: int) -> HttpResponse:
    return _persona(request, persona_for(request.user, pk))


def _persona(request: HttpRequest, one: Persona) -> HttpResponse:
    form = PersonaForm(request.POST if request.method == "POST" else None, persona=one)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("“%(name)s” is saved.") % {"name": one.name})
        return redirect("settings")
    page = {"persona": one, "form": form, "models": LanguageModel.objects.usable()}
    return render(request, "yours/persona.html", page, status=422 if form.errors else 200)


@require_POST
@login_required
def delete_persona(request: HttpRequest, pk: int) -> HttpResponse:
    one = persona_for(request.user, pk)
    one.delete()
    sentence = _("“%(name)s” is deleted. Conversations that began with it keep what they have.")
    messages.success(request, sentence % {"name": one.name})
    return redirect("settings")


# How the site looks and behaves


@require_POST
@login_required
def ways(request: HttpRequest) -> HttpResponse:
    form = WaysForm(request.POST)
    if not form.is_valid():
        return _page(request, ways=form)
    request.user.keep(**form.cleaned_data)
    return _saved(request)


@require_POST
@login_required
def theme(request: HttpRequest) -> HttpResponse:
    """From the switch that is on every page."""
    if (chosen := request.POST.get("theme")) in Person.Theme.values:
        request.user.keep(theme=chosen)
    return HttpResponse(status=204) if request.headers.get("HX-Request") else redirect("settings")


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """For this browser; and of who is signed in, for all of theirs."""
    chosen = request.POST.get("language")
    if chosen in dict(settings.LANGUAGES) and request.user.is_authenticated:
        request.user.keep(language=chosen)
    return set_language(request)


def _saved(request: HttpRequest) -> HttpResponse:
    messages.success(request, _("Saved."))
    return redirect("settings")

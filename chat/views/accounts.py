"""Signing in, up and out, and the one-time link that makes the first visitor the administrator."""

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.views import LoginView, LogoutView
from django.core import signing
from django.db import connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from chat import live
from chat.forms.conversations import SignUpForm
from chat.models import Account, Person

FIRST_VISIT_SALT = "first visit"
FIRST_VISIT_AGE = 7 * 24 * 3600
BACKEND = "django.contrib.auth.backends.ModelBackend"

# Its own site_name would be the host's.
sign_in = LoginView.as_view(
    template_name="accounts/sign_in.html",
    redirect_authenticated_user=True,
    extra_context={"site_name": settings.SITE_NAME},
)
_sign_out = LogoutView.as_view()


def sign_out(request: HttpRequest) -> HttpResponse:
    """The hint comes last: Django tells of a sign-out before it has ended the session."""
    person = request.user.pk
    response = _sign_out(request)
    if person:
        live.hint_revoked(person)
    return response


@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    if not settings.SIGN_UP_OPEN:
        return render(request, "accounts/sign_up_closed.html", status=403)
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _welcome(request, form.save())
    return render(request, "accounts/sign_up.html", {"form": form})


@require_http_methods(["GET", "POST"])
def first_visit(request: HttpRequest, token: str) -> HttpResponse:
    """The link that the server prints while there is no administrator: valid until there is one."""
    try:
        signing.loads(token, salt=FIRST_VISIT_SALT, max_age=FIRST_VISIT_AGE)
    except signing.BadSignature:
        raise Http404 from None
    if has_administrator():
        return redirect("sign-in")
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        administrator = _first_administrator(form)
        return _welcome(request, administrator) if administrator else redirect("sign-in")
    return render(request, "accounts/first_visit.html", {"form": form})


def has_administrator() -> bool:
    return Person.objects.filter(is_superuser=True, is_active=True).exists()


def first_visit_token() -> str:
    return signing.dumps("administrator", salt=FIRST_VISIT_SALT)


@transaction.atomic
def _first_administrator(form: SignUpForm) -> Person | None:
    """None if two had the link and the other one was first."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE chat_person IN SHARE ROW EXCLUSIVE MODE")
    if has_administrator():
        return None
    form.instance.is_staff = form.instance.is_superuser = True
    return form.save()


def _welcome(request: HttpRequest, person: Person) -> HttpResponse:
    Account.of(person)
    login(request, person, backend=BACKEND)
    return redirect("new-conversation")

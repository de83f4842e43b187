"""Alerts: all for administrators, with what is set for them; for others those of their budget, and who read what."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat import delivering
from chat.access import alert_for, alerts_for, reviews_of
from chat.forms.alerts import AlertSettingsForm
from chat.models import Account, Alert, AlertSettings, AuditEntry, Review
from chat.models.language_model import server_of
from chat.views.administration import administrators_only
from chat.views.pages import number_in

PAGE = 30


@require_GET
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Whoever looks has seen those of their own budget, and who has read their conversations."""
    found = alerts_for(request.user).prefetch_related("deliveries")
    before = number_in(request, "before")
    shown = list((found.filter(pk__lt=before) if before else found)[: PAGE + 1])
    reviews = list(reviews_of(request.user)[:PAGE])
    _note_seen(request, shown, reviews)
    page = {
        "alerts": shown[:PAGE],
        "older": shown[PAGE - 1].pk if len(shown) > PAGE else None,
        "newest": before is None,
        "undismissed": _undismissed(request).count(),
        "reviews": reviews,
    }
    return render(request, "alerts/index.html", page)


def _note_seen(request: HttpRequest, shown: list[Alert], reviews: list[Review]) -> None:
    own = [alert.pk for alert in shown if alert.seen is None and alert.account and alert.account.person == request.user]
    if own:
        Alert.objects.filter(pk__in=own).update(seen=timezone.now())
    if new := [review.pk for review in reviews if review.seen is None]:
        Review.objects.filter(pk__in=new).update(seen=timezone.now())


def _undismissed(request: HttpRequest) -> QuerySet[Alert]:
    return Alert.objects.filter(dismissed=None) if request.user.is_superuser else Alert.objects.none()


@require_POST
@administrators_only
def dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    """For all administrators."""
    _dismiss(request, Alert.objects.filter(pk=alert_for(request.user, pk).pk))
    return redirect("alerts")


@require_POST
@administrators_only
def dismiss_all(request: HttpRequest) -> HttpResponse:
    _dismiss(request, Alert.objects.all())
    return redirect("alerts")


def _dismiss(request: HttpRequest, found: QuerySet[Alert]) -> None:
    found.filter(dismissed=None).update(dismissed=timezone.now(), dismissed_by=Account.of(request.user))


# What is set for them


@require_http_methods(["GET", "POST"])
@administrators_only
@sensitive_variables("secret")
def rules(request: HttpRequest) -> HttpResponse:
    """A webhook of another server gets a secret of its own, which is shown this once."""
    kept = AlertSettings.current()
    server, before = server_of(kept.webhook_url), kept.figures
    form = AlertSettingsForm(request.POST if request.method == "POST" else None, instance=kept)
    if request.method != "POST" or not form.is_valid():
        return _rules(request, form, status=422 if form.errors else 200)
    with transaction.atomic():
        form.save()
        AuditEntry.record(request.user, "alerts changed", kept, before=before, after=kept.figures)
    if kept.webhook_url and (server_of(kept.webhook_url) != server or not kept.secret):
        return _rules(request, AlertSettingsForm(instance=kept), secret=_new_secret(request, kept))
    messages.success(request, _("Saved."))
    return redirect("alert-rules")


@require_POST
@administrators_only
def new_secret(request: HttpRequest) -> HttpResponse:
    kept = AlertSettings.current()
    if not kept.webhook_url:
        return redirect("alert-rules")
    return _rules(request, AlertSettingsForm(instance=kept), secret=_new_secret(request, kept))


@sensitive_variables()
def _new_secret(request: HttpRequest, kept: AlertSettings) -> str:
    secret = kept.make_secret()
    AuditEntry.record(request.user, "alerts changed", kept, after={"secret": "made"})
    return secret


@require_POST
@administrators_only
def test(request: HttpRequest) -> HttpResponse:
    """Tells everybody who is set that this is a test, which takes some seconds."""
    kept = AlertSettings.current()
    return _rules(request, AlertSettingsForm(instance=kept), told=delivering.send_test(kept), tested=True)


def _rules(request: HttpRequest, form: AlertSettingsForm, status: int = 200, **more) -> HttpResponse:
    page = {"form": form, "has_mail": bool(settings.EMAIL_HOST), "kept": AlertSettings.current(), **more}
    return render(request, "alerts/rules.html", page, status=status)

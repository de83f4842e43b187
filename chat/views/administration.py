"""Pages for administrators only: for others they do not exist."""

from collections.abc import Callable
from functools import wraps

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse

from chat.models import AuditEntry, Person


def administrators_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @login_required
    @wraps(view)
    def checked(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        if not request.user.is_superuser:
            raise Http404
        return view(request, *args, **kwargs)

    return checked


def record_form(by: Person, deed: str, form: forms.ModelForm, **more: str) -> None:
    """What a form has changed, for the audit. Call it in the transaction that saves. Pasted keys are none of it."""
    names = [name for name in form.changed_data if name in form._meta.fields]
    after = {name: form.cleaned_data[name] for name in names} | more
    AuditEntry.record(by, deed, form.instance, before={name: form.initial.get(name) for name in names}, after=after)

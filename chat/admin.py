"""Django's admin for what has no page of its own. It shows no chat text, and changes no ledger line."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.db.models import QuerySet

from chat import live, rights
from chat.archive.parting import part_with
from chat.models import (
    Account,
    AuditEntry,
    ClosedMonth,
    Completion,
    LanguageModel,
    Person,
    Provider,
    UsageDay,
    UsageEntry,
)


class ReadOnly(admin.ModelAdmin):
    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


class Audited(admin.ModelAdmin):
    """What is changed here is in the audit, too."""

    told: tuple[str, ...] | None = None  # the fields of which the audit says more than that they were changed
    told_elsewhere: tuple[str, ...] = ()

    def save_model(self, request, obj, form, change) -> None:
        super().save_model(request, obj, form, change)
        changed = [name for name in form.changed_data if name not in self.told_elsewhere]
        if change and not changed:
            return
        names = [name for name in changed if self.told is None or name in self.told]
        deed = f"{obj._meta.model_name} {'changed' if change else 'added'}"
        before = {name: _text(form.initial.get(name)) for name in names} if change else {}
        after = {name: _text(form.cleaned_data.get(name)) for name in names}
        others = {name: "set" for name in changed if name not in names}
        AuditEntry.record(request.user, deed, obj, before=before, after=after | others)

    def delete_model(self, request, obj) -> None:
        AuditEntry.record(request.user, f"{obj._meta.model_name} deleted", obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request, queryset) -> None:
        for obj in queryset:
            self.delete_model(request, obj)


def _text(value: object) -> str | None:
    """Several rights or groups by their names."""
    if isinstance(value, QuerySet | list | tuple):
        return ", ".join(sorted(str(one) for one in value))
    return None if value is None else str(value)


@admin.register(Person)
class PersonAdmin(Audited, UserAdmin):
    """The audit stays when a person is deleted: it knows their rights (chat.rights), and neither name nor password.

    Who is deleted here is gone for everybody at once; what was theirs goes in batches, and then their row.
    """

    told = ()
    told_elsewhere = (*rights.RIGHTS, "groups", "user_permissions")

    def user_change_password(self, request, id, form_url=""):
        answer = super().user_change_password(request, id, form_url)
        if answer.status_code == 302:
            AuditEntry.record(request.user, "password set", self.get_object(request, id))
        return answer

    def delete_model(self, request, obj: Person) -> None:
        part_with(obj)
        AuditEntry.record(request.user, "person deleted", Account.of(obj))
        transaction.on_commit(lambda: live.stop_all(Completion.objects.unsettled().filter(person=obj), "deleted"))
        transaction.on_commit(live.hint_labour)  # the purge need not wait for its minute

    def get_deleted_objects(self, objs, request):
        """Not each of their messages by itself, as Django would list them."""
        return [str(person) for person in objs], {Person._meta.verbose_name_plural: len(objs)}, set(), []

    def get_queryset(self, request) -> QuerySet:
        return super().get_queryset(request).filter(leaving=None)


@admin.register(Provider)
class ProviderAdmin(Audited):
    list_display = ["name", "profile", "base_url", "local", "enabled", "trouble"]
    readonly_fields = ["key_ending", "trouble"]


@admin.register(LanguageModel)
class LanguageModelAdmin(Audited):
    list_display = ["name", "provider", "context_length", "max_output", "grace_seconds", "streamed", "enabled"]
    list_filter = ["provider", "enabled"]
    search_fields = ["name"]


@admin.register(Completion)
class CompletionAdmin(ReadOnly):
    list_display = ["id", "account", "model", "status", "reason", "input_tokens", "output_tokens", "usage_source"]
    list_filter = ["status", "usage_source"]
    list_select_related = ["account", "model"]
    exclude = ["arrivals", "error"]


@admin.register(UsageEntry)
class UsageEntryAdmin(ReadOnly):
    list_display = [
        *("id", "day", "kind", "account", "group", "completion", "source"),
        *("input_tokens", "output_tokens", "amount", "currency"),
    ]
    list_filter = ["kind", "source", "currency"]
    list_select_related = ["account", "completion", "group"]
    date_hierarchy = "day"


@admin.register(UsageDay)
class UsageDayAdmin(ReadOnly):
    list_display = [
        *("day", "account", "group", "model", "purpose", "outcome", "replies"),
        *("input_tokens", "output_tokens", "amount", "currency"),
    ]
    list_filter = ["outcome", "currency"]
    list_select_related = ["account", "group", "model"]
    date_hierarchy = "day"


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ["when", "by", "deed", "subject", "before", "after"]
    list_select_related = ["by"]
    search_fields = ["subject", "deed"]


@admin.register(ClosedMonth)
class ClosedMonthAdmin(ReadOnly):
    list_display = ["first", "by", "closed"]

"""Django's admin for what has no page of its own. It shows no chat text, and changes no ledger line."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from chat.models import Completion, LanguageModel, Person, Provider, UsageEntry


class ReadOnly(admin.ModelAdmin):
    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(Person)
class PersonAdmin(UserAdmin):
    pass


@admin.register(Provider)
class ProviderAdmin(admin.ModelAdmin):
    list_display = ["name", "profile", "base_url", "local", "enabled", "trouble"]
    readonly_fields = ["key_ending", "trouble"]


@admin.register(LanguageModel)
class LanguageModelAdmin(admin.ModelAdmin):
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
    list_display = ["id", "kind", "account", "completion", "source", "input_tokens", "output_tokens", "created"]
    list_filter = ["kind", "source"]
    list_select_related = ["account", "completion"]

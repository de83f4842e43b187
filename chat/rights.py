"""Every change of what somebody may do is in the audit, whichever page or command makes it.

Django tells of them; who makes them is the person of the request that runs, or nobody: a command. People are named by
number. Roles are Django's groups of rights, not the groups that pay.
"""

from contextvars import ContextVar

from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.db import models
from django.db.models.signals import m2m_changed, post_save, pre_delete, pre_save
from django.http import HttpRequest

from chat.models import AuditEntry, Person

RIGHTS = ("is_active", "is_staff", "is_superuser")
NONE_YET = {"is_active": True, "is_staff": False, "is_superuser": False}

request_of: ContextVar[HttpRequest | None] = ContextVar("request", default=None)


def listen() -> None:
    pre_save.connect(_remember, Person)
    post_save.connect(_tell_of_person, Person)
    post_save.connect(_tell_of_role, Role)
    pre_delete.connect(_tell_of_end, Role)
    for through in (Person.groups.through, Person.user_permissions.through, Role.permissions.through):
        m2m_changed.connect(_tell_of_several, through)


def acting() -> Person | None:
    request = request_of.get()
    person = getattr(request, "user", None)
    return person if person is not None and person.is_authenticated and person.pk else None


def _remember(instance: Person, update_fields: frozenset[str] | None, raw: bool, **_) -> None:
    """What they may do before it is saved; a sign-in saves none of it."""
    instance.rights_before = None
    if not raw and (update_fields is None or set(RIGHTS) & update_fields):
        kept = Person.objects.filter(pk=instance.pk).values(*RIGHTS).first() if instance.pk else None
        instance.rights_before = kept or NONE_YET


def _tell_of_person(instance: Person, **_) -> None:
    after = {name: getattr(instance, name) for name in RIGHTS}
    if instance.rights_before and instance.rights_before != after:
        AuditEntry.record(acting(), "rights changed", instance, before=instance.rights_before, after=after)


def _tell_of_role(instance: Role, created: bool, raw: bool, **_) -> None:
    if not raw:
        deed = "role added" if created else "role saved"
        AuditEntry.record(acting(), deed, instance, after={"name": instance.name})


def _tell_of_end(instance: Role, **_) -> None:
    before = {"permissions": _named(instance.permissions.all()), "people": instance.user_set.count()}
    AuditEntry.record(acting(), "role removed", instance, before=before)


def _tell_of_several(instance: models.Model, action: str, model: type[models.Model], pk_set: set | None, **_) -> None:
    """Rights of a person or a role, or the roles of a person; seen from either end."""
    what = {Role: "roles", Permission: "permissions", Person: "people"}[model]
    match action:
        case "post_add" if pk_set:
            AuditEntry.record(acting(), "rights given", instance, after={what: _named(model, pk_set)})
        case "post_remove" if pk_set:
            AuditEntry.record(acting(), "rights taken", instance, before={what: _named(model, pk_set)})
        case "pre_clear":
            held = getattr(instance, _ACCESSORS[type(instance), model]).all()
            if before := _named(held):
                AuditEntry.record(acting(), "rights taken", instance, before={what: before})


_ACCESSORS = {
    (Person, Role): "groups",
    (Person, Permission): "user_permissions",
    (Role, Permission): "permissions",
    (Role, Person): "user_set",
    (Permission, Person): "user_set",
    (Permission, Role): "group_set",
}


def _named(found: type[models.Model] | models.QuerySet, pks: set | None = None) -> str:
    """By what they are called; people by number, and permissions by their code, which has a name in every language."""
    rows = found if pks is None else found.objects.filter(pk__in=pks)
    return ", ".join(sorted(_name(row) for row in rows))


def _name(row: models.Model) -> str:
    match row:
        case Person():
            return f"person {row.pk}"
        case Permission():
            return f"{row.content_type.app_label}.{row.codename}"
    return str(row)

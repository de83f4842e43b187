"""The audit: whatever changes prices, budgets, providers or rights is in it, by whichever way, and stays as it is."""

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from chat import budgeting, connecting
from chat.models import AuditEntry, Group, LanguageModel, Person, Provider
from chat.models.account import AuditIsAppendOnly
from chat.spreadsheets import csv_lines
from chat.templatetags.audit_words import DEEDS
from chat.upstream.contract import ListedModel
from chat.views.audit import as_csv
from tests import books
from tests.site import ROOT
from tests.test_money_pages import alerts, root, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


def deeds() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("deed", flat=True))


def page(root, **asked) -> str:  # noqa: F811
    answer = root.get("/audit/", asked)
    assert answer.status_code == 200
    return answer.content.decode()


# What is written


@pytest.fixture(autouse=True)
def nothing_yet(root):  # noqa: F811
    """But who the administrator is: that is a change of rights."""
    assert deeds() == ["rights changed"]


def test_rights_given_by_a_command_are_in_it_by_nobody():
    call_command("createsuperuser", username="ada", email="a@example.com", interactive=False)
    entry = AuditEntry.objects.first()
    assert (entry.by, entry.deed, entry.subject) == (None, "rights changed", f"person {Person.objects.last().pk}")
    assert (entry.before["is_superuser"], entry.after["is_superuser"]) == ("False", "True")


def test_rights_given_in_the_admin_are_in_it_once_by_whoever_gave_them(root):  # noqa: F811
    bob = books.person("bob")
    role = Role.objects.create(name="Readers")
    fields = {
        "username": "bob",
        "is_active": "on",
        "is_staff": "on",
        "groups": [role.pk],
        "date_joined_0": "2026-01-01",
    }
    fields |= {"date_joined_1": "12:00", "user_permissions": [Permission.objects.first().pk]}
    assert root.post(f"/admin/chat/person/{bob.pk}/change/", fields).status_code == 302
    told = AuditEntry.objects.filter(key=f"person {bob.pk}")
    assert sorted(entry.deed for entry in told if entry.by.label == "root") == [
        *("person changed", "rights changed", "rights given", "rights given")
    ]
    assert {"roles": "Readers"} in [entry.after for entry in told]


def test_a_role_and_what_it_may_are_in_it(root):  # noqa: F811
    permission = Permission.objects.get(codename="change_price")
    fields = {"name": "Readers", "permissions": [permission.pk]}
    assert root.post("/admin/auth/group/add/", fields).status_code == 302
    role = Role.objects.get()
    assert deeds()[1:] == ["role added", "rights given"]
    assert "<b>change: prices</b>" in page(root, kind="rights")
    books.person("bob").groups.add(role)
    role.user_set.clear()
    role.permissions.remove(permission)
    role.delete()
    assert deeds()[3:] == ["rights given", "rights taken", "rights taken", "role removed"]
    assert AuditEntry.objects.filter(key__startswith="role ").count() == 5
    assert "Readers" in page(root, kind="rights") and "Readers" not in page(root, kind="groups")


def test_a_password_that_an_administrator_sets_is_in_it_and_not_which(root):  # noqa: F811
    bob = books.person("bob")
    new = {"password1": "correct-horse-battery", "password2": "correct-horse-battery", "usable_password": "true"}
    assert root.post(f"/admin/chat/person/{bob.pk}/password/", new).status_code == 302
    assert deeds()[1:] == ["password set"] and "horse" not in str(list(AuditEntry.objects.values()))


def test_signing_in_and_signing_up_change_no_rights(root):  # noqa: F811
    books.person("bob").save()
    visitor("carol")
    assert deeds() == ["rights changed"]


def test_providers_that_the_site_makes_are_in_it(root, settings):  # noqa: F811
    connecting.connect_demo()
    connecting.connect_demo()
    settings.DEMO = False
    connecting.connect_demo()
    assert deeds()[1:] == ["provider connected", "provider changed"]
    provider = Provider.objects.get()
    listed = ListedModel("one", input_mtok=Decimal(1), output_mtok=Decimal(2), currency="USD")
    connecting._add_models(provider, [listed], books.person())
    assert deeds()[3:] == ["models added", "listed prices taken"]
    assert {entry.by.label for entry in AuditEntry.objects.filter(deed__in=deeds()[3:])} == {"alice"}
    assert LanguageModel.objects.filter(name="one").exists()


def test_a_day_that_is_rebuilt_is_in_it(root):  # noqa: F811
    books.settle(books.ask(books.model()))
    call_command("auditusage", rebuild=timezone.localdate().isoformat())
    assert deeds()[-1] == "day rebuilt" and AuditEntry.objects.first().key == "usageday"


def test_nothing_changes_it(root):  # noqa: F811
    entry = AuditEntry.objects.get()
    entry.deed = "none"
    for attempt in (
        *(entry.save, entry.delete, lambda: AuditEntry.objects.all().delete()),
        *(lambda: AuditEntry.objects.update(deed=""), lambda: AuditEntry.objects.bulk_update([entry], ["deed"])),
        lambda: AuditEntry._base_manager.filter(pk=entry.pk).update(deed=""),
        lambda: AuditEntry.objects.update_or_create(pk=entry.pk, defaults={"deed": ""}),
        lambda: AuditEntry.objects.bulk_create(
            [entry], update_conflicts=True, update_fields=["deed"], unique_fields=["id"]
        ),
    ):
        with pytest.raises(AuditIsAppendOnly), transaction.atomic():
            attempt()
    for path in ("change", "delete"):
        assert root.post(f"/admin/chat/auditentry/{entry.pk}/{path}/", {"deed": "", "post": "yes"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
    root.post("/admin/chat/auditentry/", bulk)
    assert AuditEntry.objects.get().deed == "rights changed"


# What is shown


def test_it_shows_who_changed_what_with_what_stood_there_before(root):  # noqa: F811
    bob = books.account("bob")
    period = books.budget("5", account=bob)
    budgeting.change(Person.objects.get(username="root"), period.budget, soft=None, hard=period.hard + 1)
    shown = page(root)
    assert "Budget changed" in shown and "<s>5</s> <b>6</b>" in shown and "refuses at" in shown
    assert f"account {bob.pk}" not in shown.split("<tbody>")[1]
    assert "Budget changed" not in page(root, kind="prices")


def test_it_is_narrowed_by_who_what_and_when_and_read_page_by_page(root):  # noqa: F811
    for number in range(60):
        budgeting.save_group(books.person("ada" if number % 2 else "eve"), Group(name=f"Group {number:02}"))
    ada = books.account("ada")
    shown = page(root, by=ada.pk)
    assert shown.count("Paying group added") == 30 and "Group 59" in shown and "Group 58" not in shown
    assert "Group 09" not in page(root) and "Older" in page(root)
    oldest = AuditEntry.objects.all()[49].pk
    assert "Group 09" in page(root, before=oldest) and "Newest" in page(root, before=oldest)
    assert "Group" not in page(root, by="none").split("<tbody>")[1]
    today, yesterday = timezone.localdate(), timezone.localdate() - timedelta(days=1)
    assert "Group 59" in page(root, **{"from": today.isoformat(), "to": today.isoformat()})
    assert "<tbody>" not in page(root, to=yesterday.isoformat())
    wrong = root.get("/audit/", {"from": "soon"})
    assert wrong.status_code == 422 and alerts(wrong) == ["A day is written like 2026-11-30. All days are shown."]
    taken = root.get("/audit/", {"from": "soon", "format": "csv"})
    assert taken.status_code == 422, "nobody would see in the file that it has all days"
    assert root.get("/audit/", {"by": "9" * 40, "kind": "x", "before": "-1"}).status_code == 200


def test_it_can_be_taken_along_and_runs_nothing_in_a_spreadsheet(root):  # noqa: F811
    budgeting.save_group(Person.objects.get(username="root"), Group(name="=HYPERLINK(1)"))
    lines = b"".join(csv_lines(*as_csv(AuditEntry.objects.filter(deed="group added")))).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(lines)))
    assert rows[0][:4] == ["When", "Who", "Deed", "What"] and len(rows) == 2
    assert rows[1][1:4] == ["root", "Paying group added", "'=HYPERLINK(1)"]


def test_every_deed_has_its_words():
    call = re.compile(r'(?:AuditEntry\.record|record_form)\(\s*[^,()]+(?:\([^()]*\))?,\s*"([a-z ]+)"')
    found = {deed for path in ROOT.glob("chat/**/*.py") for deed in call.findall(path.read_text())}
    assert len(found) > 20 and found <= set(DEEDS)


def test_it_is_for_administrators_only(root):  # noqa: F811
    assert visitor("bob").get("/audit/").status_code == 404

"""Days at the end of what can be reckoned, and numbers nobody has: they get a sentence or 404, and change nothing."""

import pytest
from django.utils import timezone

from chat.models import Account, AuditEntry, ClosedMonth, Grant, Group
from tests import books
from tests.test_money_pages import alerts, root, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
FAR = ("9999-12-31", "9999-12-30", "0001-01-01")
REPORTS = ("/usage/", "/usage/lines/", "/usage/by/days/", "/usage/by/models/", "/usage/?format=json", "/audit/")


@pytest.mark.parametrize("page", REPORTS)
@pytest.mark.parametrize("day", FAR)
def test_a_report_of_days_too_far_away_says_so(root, page, day):  # noqa: F811
    answer = root.get(page, {"from": day, "to": day})
    assert answer.status_code in (200, 422)
    if "format" not in page:
        assert any("A day is written like 2026-11-30." in said for said in alerts(answer))


@pytest.mark.parametrize("month", ["9999-12", "0001-01"])
def test_a_month_too_far_away_is_none(root, month):  # noqa: F811
    assert root.get("/usage/", {"month": month}).status_code == 422
    assert root.get(f"/books/months/{month}/").status_code == 404
    assert root.post(f"/books/months/{month}/").status_code == 404
    assert not ClosedMonth.objects.exists()


@pytest.mark.parametrize("day", FAR)
def test_nothing_is_rebuilt_or_granted_on_a_day_too_far_away(root, day):  # noqa: F811
    period = books.budget("5")
    written = AuditEntry.objects.count()
    answer = root.post("/books/rebuild/", {"day": day}, follow=True)
    assert "Nothing was changed." in answer.content.decode()
    assert root.post(f"/budgets/{period.budget_id}/more/", {"amount": "1", "day": day}).status_code == 422
    assert not Grant.objects.exists() and AuditEntry.objects.count() == written


def test_a_grant_of_more_money_than_there_is_is_refused(root):  # noqa: F811
    period = books.budget("5")
    fields = {"amount": "1000000000000", "day": timezone.localdate().isoformat()}
    answer = root.post(f"/budgets/{period.budget_id}/more/", fields)
    assert answer.status_code == 422 and "That is more than can be counted here." in alerts(answer)
    assert not Grant.objects.exists()


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 19, "x", "-1", "0"])
def test_a_group_that_is_none_pays_for_nobody_and_changes_nothing(root, number):  # noqa: F811
    alice, students = books.account(), Group.objects.create(name="Students")
    Account.objects.filter(pk=alice.pk).update(group=students)
    assert root.post(f"/people/{alice.person_id}/group/", {"group": number}).status_code == 404
    assert Account.objects.get(pk=alice.pk).group == students

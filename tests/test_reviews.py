"""Breaking the glass: with the right and a reason, for a while, written down before, and seen by whose it is."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.utils import timezone

from chat.models import AuditEntry, Conversation, Message, Person, Review
from tests import books
from tests.test_money_pages import alerts, root, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
REASON = "A complaint that was forwarded to us"


@pytest.fixture
def asked():
    asked = books.ask(books.model(), text="canary-question")
    books.settle(asked, text="canary-answer. ")
    return asked


@pytest.fixture
def reader(root):  # noqa: F811
    """The administrator, with the right."""
    Person.objects.get(username="root").user_permissions.add(Permission.objects.get(codename="read_others"))
    return root


def address(asked) -> str:
    return f"/usage/completions/{asked.completions[0].pk}/review/"


def opened(reader, asked, **fields):
    return reader.post(address(asked), {"reason": REASON, "minutes": "15", **fields})


def test_an_administrator_without_the_right_has_no_way_in(root, asked):  # noqa: F811
    entry = root.get(f"/usage/completions/{asked.completions[0].pk}/").content.decode()
    assert "review" not in entry.split("<main")[1] and "canary" not in entry
    assert root.get(address(asked)).status_code == opened(root, asked).status_code == 404
    assert not Review.objects.exists()


def test_it_is_read_after_a_reason_that_its_person_sees(reader, asked):
    entry = reader.get(f"/usage/completions/{asked.completions[0].pk}/").content.decode()
    assert address(asked) in entry and "canary" not in entry
    assert "canary" not in reader.get(address(asked)).content.decode()
    answer = opened(reader, asked)
    review = Review.objects.get()
    assert answer.headers["location"] == f"/reviews/{review.pk}/"
    written = AuditEntry.objects.first()
    assert (written.deed, written.after["reason"]) == ("conversation opened", REASON)
    page = reader.get(f"/reviews/{review.pk}/").content.decode()
    assert "canary-question" in page and "canary-answer" in page and "Regenerate" not in page
    assert "canary" not in str(list(AuditEntry.objects.values()))
    alice = visitor("alice2")
    alice.force_login(books.person("alice"), backend="django.contrib.auth.backends.ModelBackend")
    assert "1 alert" in alice.get("/settings/").content.decode()
    seen = alice.get("/alerts/").content.decode()
    assert "was read by root" in seen and REASON in seen
    assert "1 alert" not in alice.get("/settings/").content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reason": ""}, "Say why: the person whose conversation it is reads it."),
        ({"reason": "because"}, "Say why, so that the person whose conversation it is understands it."),
        ({"reason": "x" * 501}, "At most 500 characters."),
        ({"minutes": "6000"}, "Select a valid choice. 6000 is not one of the available choices."),
    ],
)
def test_without_a_reason_nothing_is_opened_and_nothing_written(reader, asked, fields, said):
    before = AuditEntry.objects.count()
    answer = opened(reader, asked, **fields)
    assert answer.status_code == 422 and said in alerts(answer) and "canary" not in answer.content.decode()
    assert not Review.objects.exists() and AuditEntry.objects.count() == before


def test_it_ends(reader, asked):
    opened(reader, asked)
    page = f"/reviews/{Review.objects.get().pk}/"
    assert reader.get(page).status_code == 200
    Review.objects.update(ends=timezone.now() - timedelta(seconds=1))
    assert reader.get(page).status_code == 404


def test_nobody_else_reads_along_and_a_right_that_is_taken_is_gone(reader, asked):
    opened(reader, asked)
    page = f"/reviews/{Review.objects.get().pk}/"
    other = visitor("eve", administers=True)
    Person.objects.get(username="eve").user_permissions.add(Permission.objects.get(codename="read_others"))
    assert other.get(page).status_code == 404 and visitor("bob").get(page).status_code == 404
    Person.objects.get(username="root").user_permissions.clear()
    assert reader.get(page).status_code == 404


def test_a_role_gives_the_right_to_administrators_only(asked):
    role = Role.objects.create(name="Readers")
    role.permissions.add(Permission.objects.get(codename="read_others"))
    for name, administers, status in (("eve", True, 200), ("bob", False, 404)):
        client = visitor(name, administers=administers)
        Person.objects.get(username=name).groups.add(role)
        assert client.get(address(asked)).status_code == status


def test_what_is_deleted_is_not_read(reader, asked):
    opened(reader, asked)
    page = f"/reviews/{Review.objects.get().pk}/"
    Conversation.objects.update(deleted=timezone.now())
    assert reader.get(page).status_code == reader.get(address(asked)).status_code == 404
    Conversation.objects.update(deleted=None)
    Message.objects.all().delete()
    Conversation.objects.all().delete()
    assert reader.get(page).status_code == 404 and Review.objects.get().reason == REASON


def test_it_opens_no_other_conversation(reader, asked):
    other = books.ask(books.model("other"), who="bob", text="other-canary")
    opened(reader, asked)
    page = f"/reviews/{Review.objects.get().pk}/"
    for name in ("before", "after"):
        assert reader.get(page, {name: other.choices[0].pk}).status_code == 404
    assert reader.get(f"/c/{asked.conversation.pk}/").status_code == 404

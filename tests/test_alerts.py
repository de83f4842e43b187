"""Alerts: each cause is told once, by letter and webhook until it is taken; and what is over is said to be over."""

import base64
import hashlib
import hmac
import uuid
from datetime import timedelta
from decimal import Decimal

import orjson
import pytest
from django.core import mail
from django.utils import timezone

from chat import alerting, budgeting, delivering
from chat.accounting.budgets import Refused
from chat.models import (
    Alert,
    AlertSettings,
    AuditEntry,
    Chore,
    Completion,
    Delivery,
    Group,
    LanguageModel,
    Person,
    Price,
    Proof,
    Provider,
)
from chat.templatetags.alert_words import alert_sentence, alert_title
from tests import books
from tests.scripted import Answer, ScriptedUpstream, Send
from tests.test_money_pages import alerts, root, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
Kind = Alert.Kind


@pytest.fixture(autouse=True)
def mail_server(settings):
    settings.EMAIL_HOST = "mail.example"


def labour() -> None:
    """As the site does it, act by act."""
    Chore.objects.filter(name=delivering.ALERT).delete()
    for act in delivering.tell(uuid.uuid4()):
        if act is not None:
            act()


def told() -> list[tuple[str, bool]]:
    """Kinds, oldest first, and whether they still last."""
    return [(alert.kind, alert.over is None) for alert in Alert.objects.order_by("pk")]


def wanted(**fields) -> AlertSettings:
    kept = AlertSettings.current()
    AlertSettings.objects.filter(pk=kept.pk).update(**fields)
    return AlertSettings.current()


# What is told


def test_a_warning_that_is_reached_is_told_once_for_each_limit():
    period = books.budget("5", soft="0.001", account=books.account())
    labour()
    assert told() == []
    for _ in range(2):
        books.settle(books.ask(books.model(f"m{_}", price=("1", "2000"))), usage=(100, 50))
        labour()
    assert told() == [("soft", True)]
    assert Alert.objects.get().facts["limit"] == "0.001" and "alice" not in str(Alert.objects.values())
    budgeting.change(None, period.budget, soft=Decimal("0.15"), hard=Decimal(5))
    labour()
    assert told() == [("soft", True), ("soft", True)]


def test_a_refusal_is_told_once_for_each_limit_and_stays_a_refusal():
    period = books.budget("0.01", account=books.account())
    dear = books.model(price=("1000", "2000"))
    for _ in range(3):
        with pytest.raises(Refused):
            books.ask(dear)
    assert told() == [("hard", True)]
    budgeting.give(None, period.budget, amount=Decimal("0.001"), until=timezone.now() + timedelta(days=1))
    with pytest.raises(Refused):
        books.ask(dear)
    Alert.objects.update(created=timezone.now() - timedelta(hours=2))
    assert [alert.facts["limit"] for alert in Alert.objects.order_by("pk")] == ["0.01", "0.011"]
    with pytest.raises(Refused):
        books.ask(books.model("unpriced", price=None))
    assert len(told()) == 2


def test_a_refusal_for_what_is_held_says_so():
    books.budget("0.5")
    tiny = books.model(price=("0", "1000"))
    books.ask(tiny)
    with pytest.raises(Refused):
        books.ask(tiny)
    assert "$0.00 was spent and $0.50 held by replies that were arriving" in alert_sentence(Alert.objects.get())


def test_a_provider_that_fails_is_told_until_it_answers_again():
    tiny = books.model(price=None)
    wanted(failing_count=3, failing_of=4)
    for outcome in ("unreachable", "complete", "failed", "refused"):
        books.settle(books.ask(tiny), outcome)
    labour()
    assert told() == []  # what it refuses may be the asker's fault
    books.settle(books.ask(tiny), "cut")
    books.settle(books.ask(tiny), "failed")
    labour()
    labour()
    assert told() == [("failing", True)]
    assert Alert.objects.get().facts == {"provider": "P", "failed": 3, "of": 4, "reason": "upstream"}
    books.settle(books.ask(tiny), "complete")
    books.settle(books.ask(tiny), "complete")
    labour()
    assert told() == [("failing", False)]
    for _ in range(4):
        books.settle(books.ask(tiny), "failed")
    labour()
    assert told() == [("failing", False)]  # so soon after the last, that would be a flood
    Alert.objects.update(created=timezone.now() - timedelta(hours=2))
    labour()
    assert told() == [("failing", False), ("failing", True)]


def test_an_alert_has_the_names_of_today():
    group = Group.objects.create(name="Students")
    budget = books.budget("5", soft="1", group=group).budget
    facts = {"budget": budget.pk, "group": "Students"}
    reached = Alert(kind=Kind.SOFT, key="soft 1 1", facts=facts)
    failing = Alert(kind=Kind.FAILING, key=f"failing {books.model().provider_id}", facts={"provider": "P"})
    Group.objects.update(name="Scholars")
    Provider.objects.update(name="Q")
    assert alert_title(reached) == "The budget of Scholars has reached its warning"
    assert alert_title(failing) == "Q fails"
    budgeting.remove(None, budget)
    for model in (Price, LanguageModel, Provider):
        model.objects.all().delete()
    assert "Students" in alert_title(reached) and "P fails" == alert_title(failing)


def test_what_failed_long_ago_says_nothing_of_now():
    tiny = books.model(price=None)
    wanted(failing_count=1)
    books.settle(books.ask(tiny), "failed")
    Completion.objects.update(settled=timezone.now() - timedelta(hours=2))
    labour()
    assert told() == []


def test_a_rising_share_of_estimates_is_told():
    tiny = books.model(price=None)
    for _ in range(19):
        books.settle(books.ask(tiny), "complete", usage=(10, 10))
    labour()
    assert told() == []
    for _ in range(9):
        books.settle(books.ask(tiny), "stopped", text="Hello there. " * 20)
    labour()
    assert told() == [("estimates", True)]
    facts = Alert.objects.get().facts
    assert facts["percent"] >= 20 and facts["before"] == 0
    wanted(estimates_percent=100)
    labour()
    assert told() == [("estimates", False)]


def test_books_that_are_off_are_told():
    Proof.objects.create(is_open=None, status=Proof.Status.OFF, ended=timezone.now(), off=2)
    labour()
    Proof.objects.create(is_open=None, status=Proof.Status.AGREES, ended=timezone.now())
    labour()
    assert told() == [("books", False)]


def test_whoever_sees_a_cause_at_the_same_moment_tells_it_once():
    for _ in range(3):
        alerting.Cause(Kind.BOOKS, "books", {"off": 1}).give()
    assert Alert.objects.count() == 1


# How


def test_a_letter_goes_once_to_each_and_to_whose_own_budget_it_is(settings):
    settings.SITE_URL = "https://chat.example"
    wanted(emails="ada@example.com\nbo@example.com")
    Person.objects.filter(pk=books.person().pk).update(email="alice@example.com")
    books.budget("5", soft="0.0001", account=books.account())
    books.settle(books.ask(books.model()))
    alerting.Cause(Kind.BOOKS, "books", {"off": 1}).give()
    labour()
    labour()
    assert sorted(letter.to[0] for letter in mail.outbox) == ["ada@example.com", "alice@example.com", "bo@example.com"]
    by_address = {letter.to[0]: letter for letter in mail.outbox}
    assert by_address["ada@example.com"].subject == "[Chat] 2 alerts"
    assert by_address["alice@example.com"].subject == "[Chat] The budget of alice has reached its warning"
    assert "https://chat.example/budgets/" in by_address["bo@example.com"].body
    assert not Delivery.objects.exclude(due=None).exists()


def test_a_letter_that_the_server_does_not_take_is_tried_again_and_given_up_in_the_end(settings):
    settings.EMAIL_BACKEND = "tests.test_alerts.Refusing"
    wanted(emails="ada@example.com")
    alerting.Cause(Kind.BOOKS, "books", {"off": 1}).give()
    for tries in range(1, 9):
        labour()
        labour()  # not due yet
        delivery = Delivery.objects.get()
        assert (delivery.tries, delivery.done) == (tries, None) and "no room" in delivery.trouble
        Delivery.objects.exclude(due=None).update(due=timezone.now())
    assert delivery.due is None
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    alerting.Cause(Kind.BOOKS, "other", {"off": 1}).give()
    labour()
    assert len(mail.outbox) == 1


class Refusing:
    """A mail server without room."""

    def __init__(self, **_) -> None:
        pass

    def send_messages(self, letters: list) -> int:
        raise OSError("no room")


def test_what_dies_between_claim_and_sending_is_sent_later():
    wanted(emails="ada@example.com")
    alerting.Cause(Kind.BOOKS, "books", {"off": 1}).give()
    delivery = Delivery.objects.get()
    assert Delivery.claim(delivery.pk, 0) and not Delivery.claim(delivery.pk, 0)
    labour()
    assert mail.outbox == []
    Delivery.objects.update(due=timezone.now())
    labour()
    assert len(mail.outbox) == 1


@pytest.fixture
def listener():
    """A server that takes whatever is posted to it."""
    with ScriptedUpstream() as server:
        server.script("/hook", Answer([Send(b"ok")], content_type="text/plain"))
        yield server


def hook(server, path: str = "/hook") -> str:
    return server.base_url.removesuffix("/v1") + path


def test_a_webhook_gets_signed_json(listener):
    kept = wanted(webhook_url=hook(listener), webhook_local=True)
    secret = kept.make_secret()
    alerting.Cause(Kind.BOOKS, "books", {"off": 1}).give()
    labour()
    labour()
    (request,) = listener.requests
    said = request.body
    assert said["type"] == "alert.books" and said["data"]["title"] == "The books do not agree"
    head = {name.lower(): value for name, value in request.headers.items()}
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + orjson.dumps(said)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert head["webhook-signature"] == f"v1,{right}" and head["webhook-id"] == f"alert_{Alert.objects.get().pk}"


@pytest.mark.parametrize(
    ("address", "local", "said"),
    [
        ("http://127.0.0.1:9/x", False, "127.0.0.1:9 is an address in a private network."),
        ("http://169.254.169.254/x", True, "169.254.169.254 is an address where no provider can be"),
        ("http://[::ffff:127.0.0.1]:9/x", False, "is an address in a private network."),
        ("http://0x7f.1:9/x", False, ""),
        ("http://127.0.0.1:9/x", True, "Nothing listens at 127.0.0.1:9."),
    ],
)
def test_a_webhook_reaches_no_address_that_it_may_not(address, local, said):
    kept = wanted(webhook_url=address, webhook_local=local)
    kept.make_secret()
    alerting.Cause(Kind.BOOKS, "books", {"off": 1}).give()
    labour()
    delivery = Delivery.objects.get()
    assert delivery.done is None and delivery.trouble and said in delivery.trouble


def test_a_webhook_that_redirects_or_refuses_is_not_followed_and_tried_again(listener):
    elsewhere = Answer([], status=302, headers={"Location": "http://169.254.169.254/"})
    listener.script("/moved", elsewhere)
    wanted(webhook_url=hook(listener, "/moved"), webhook_local=True).make_secret()
    alerting.Cause(Kind.BOOKS, "books", {"off": 1}).give()
    labour()
    assert Delivery.objects.get().trouble == "It answered with status 302." and len(listener.requests) == 1


def test_a_letter_does_not_wait_for_webhooks_that_may_be_slow(listener):
    sent_before = []
    listener.script("/hook", lambda _request: sent_before.append(len(mail.outbox)) or Answer([Send(b"ok")]))
    wanted(emails="ada@example.com", webhook_url=hook(listener), webhook_local=True).make_secret()
    alerting.Cause(Kind.BOOKS, "books", {"off": 1}).give()
    alerting.Cause(Kind.BOOKS, "other", {"off": 1}).give()
    labour()
    assert sent_before == [1, 1]
    assert not Delivery.objects.exclude(due=None).exists()


@pytest.mark.parametrize("host", ["..x", "a" * 64 + ".com", "xn--.com"])
def test_a_webhook_whose_host_can_be_no_name_is_trouble_like_any_other(host):
    wanted(webhook_url=f"http://{host}/", webhook_local=True).make_secret()
    alerting.Cause(Kind.BOOKS, "books", {"off": 1}).give()
    labour()
    assert Delivery.objects.get().trouble


# The pages


def rules(root, **fields):  # noqa: F811
    usual = {"emails": "", "webhook_url": "", "failing_count": "5", "failing_of": "10", "estimates_percent": "20"}
    return root.post("/alerts/rules/", usual | fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"emails": "ada"}, "“ada” is no e-mail address."),
        ({"webhook_url": "ftp://x"}, "A base URL begins with http:// or https://, and a host follows."),
        ({"webhook_url": "http://..x/"}, "This is not an address."),
        ({"webhook_url": "https://a:b@x.example/"}, "A key in the address would be shown."),
        ({"failing_count": "11"}, "There cannot be more failed replies than are looked at."),
        ({"failing_of": "0"}, "Ensure this value is greater than or equal to 1."),
    ],
)  # fmt: skip
def test_what_cannot_be_set_is_said_and_what_was_typed_is_kept(root, fields, said):  # noqa: F811
    answer = rules(root, **fields)
    assert answer.status_code == 422 and said in " ".join(alerts(answer))
    assert next(iter(fields.values())) in answer.content.decode()
    assert AlertSettings.current().emails == "" and not AuditEntry.objects.filter(deed="alerts changed").exists()


def test_a_secret_is_made_for_a_server_and_shown_once(root):  # noqa: F811
    page = rules(root, webhook_url="https://hook.example/a").content.decode()
    secret = AlertSettings.current().secret
    assert secret.startswith("whsec_") and secret in page
    assert secret not in root.get("/alerts/rules/").content.decode()
    assert rules(root, webhook_url="https://hook.example/b").status_code == 302
    assert AlertSettings.current().secret == secret
    assert AlertSettings.current().secret not in rules(root, webhook_url="https://other.example/").content.decode() or (
        AlertSettings.current().secret != secret
    )
    root.post("/alerts/secret/")
    told = AuditEntry.objects.filter(deed="alerts changed").last()
    assert told.after["webhook"] == "https://hook.example" and "/a" not in str(list(AuditEntry.objects.values()))
    assert secret not in str(list(AuditEntry.objects.values())) + str(list(AlertSettings.objects.values()))


def test_a_test_says_how_it_went_for_each(root, listener, settings):  # noqa: F811
    assert "Nobody is set who could be told." in root.post("/alerts/test/").content.decode()
    wanted(emails="ada@example.com", webhook_url=hook(listener), webhook_local=True).make_secret()
    page = root.post("/alerts/test/").content.decode()
    assert page.count("it was taken") == 2 and len(mail.outbox) == 1 and len(listener.requests) == 1
    assert listener.requests[0].body["type"] == "test"
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", ""
    assert "No mail server is set: EMAIL_HOST is empty." in root.post("/alerts/test/").content.decode()
    assert not Alert.objects.exists()


def test_administrators_see_all_and_dismiss_them_and_others_their_own(root):  # noqa: F811
    alice = visitor("alice")
    period = books.budget("0.01", account=books.account("alice"))
    with pytest.raises(Refused):
        books.ask(books.model(price=("1000", "2000")))
    alerting.Cause(Kind.BOOKS, "books", {"off": 1}).give()
    assert "2 alerts" in root.get("/settings/").content.decode()
    page = root.get("/alerts/").content.decode()
    assert "The budget of alice refuses" in page and "The books do not agree" in page
    assert "1 alert" in alice.get("/settings/").content.decode()
    hers = alice.get("/alerts/").content.decode()
    assert "The budget of alice refuses" in hers and "The books" not in hers and "Dismiss" not in hers
    assert "1 alert" not in alice.get("/settings/").content.decode()
    first, second = Alert.objects.order_by("pk")
    for act in (
        f"/alerts/{first.pk}/dismiss/",
        "/alerts/dismiss/",
        "/alerts/test/",
        "/alerts/secret/",
        "/alerts/rules/",
    ):
        assert alice.post(act).status_code == 404, act
    assert alice.get("/alerts/rules/").status_code == 404
    root.post(f"/alerts/{first.pk}/dismiss/")
    assert Alert.objects.filter(dismissed=None).get() == second
    root.post("/alerts/dismiss/")
    assert "alerts" not in root.get("/settings/").content.decode().split('class="foot"')[1] and period

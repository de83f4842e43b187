"""The pages of prices, budgets and groups: what fits is set, what does not is said, and others find nothing there."""

import re
from datetime import datetime
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone

from chat.models import Account, AuditEntry, Budget, BudgetPeriod, Grant, Group, Person, Price
from tests import books

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


def visitor(name: str, *, administers: bool = False) -> Client:
    person = Person.objects.create_user(name, is_superuser=administers, is_staff=administers)
    client = Client(headers={"host": "localhost"})
    client.force_login(person, backend=BACKEND)
    return client


@pytest.fixture
def root() -> Client:
    return visitor("root", administers=True)


@pytest.fixture
def tiny():
    return books.model("tiny", price=None)


def alerts(response) -> list[str]:
    """What is said now: what a page may have to say later stands in templates."""
    shown = re.sub(r"(?s)<template.*?</template>", "", response.content.decode())
    return [part.split("<")[0] for part in shown.split('role="alert">')[1:]]


def new_price(root: Client, model, **fields):
    return root.post(f"/prices/{model.pk}/", {"currency": "USD", "input_mtok": "1", "output_mtok": "2", **fields})


def new_budget(root: Client, **fields):
    return root.post("/budgets/new/", {"whose": "everybody", "period": "month", "unit": "USD", "hard": "5", **fields})


def test_a_price_is_set_as_people_write_it(root, tiny):
    assert new_price(root, tiny, currency="eur", input_mtok="0,60", output_mtok="€2.50").status_code == 302
    price = Price.objects.get()
    assert (price.currency, price.input_mtok, price.output_mtok) == ("EUR", Decimal("0.6"), Decimal("2.5"))
    assert AuditEntry.objects.get(deed="price added").by == Account.objects.get(label="root")
    page = root.get("/prices/").content.decode()
    assert "€0.60" in page and "€2.50" in page
    assert new_price(root, tiny, free="on", currency="", input_mtok="", output_mtok="").status_code == 302
    assert Price.current([tiny], timezone.now())[tiny.pk].free


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("input_mtok", "-1", "A price cannot be negative."),
        ("input_mtok", "", "A price is an amount of money per million tokens, such as 0.60."),
        ("output_mtok", "cheap", "A price is an amount of money per million tokens, such as 0.60."),
        ("output_mtok", "1e9", "More than a million for a million tokens is no price."),
        ("cached_mtok", "0.0000000001", "Money has at most nine decimal places here."),
        ("currency", "BTC", "“BTC” is no currency. Use a code of ISO 4217, such as EUR, USD or CNY."),
        ("currency", "", "Which currency is it? Use a code of ISO 4217, such as EUR, USD or CNY."),
        ("day", "2020-01-01", "What has been asked for keeps its price: a new one begins today, or later."),
        ("day", "soon", "Write the day as 2026-11-20."),
    ],
)
def test_a_price_that_cannot_be_is_refused_and_what_was_typed_is_kept(root, tiny, field, typed, said):
    answer = new_price(root, tiny, **{field: typed})
    assert answer.status_code == 422 and said in alerts(answer)
    assert f'value="{typed}"' in answer.content.decode() or not typed
    assert not Price.objects.exists() and not AuditEntry.objects.exclude(deed="rights changed").exists()


def test_two_prices_from_the_same_day_on_overlap(root, tiny):
    day = (timezone.localdate() + timezone.timedelta(days=9)).isoformat()
    assert new_price(root, tiny, day=day).status_code == 302
    answer = new_price(root, tiny, day=day, input_mtok="7")
    assert alerts(answer) == ["This model has another price from that moment on already."]
    assert Price.objects.get().input_mtok == 1


def test_a_file_is_imported_or_said_to_be_wrong(root, tiny):
    def send(text: str):
        return root.post("/prices/import/", {"file": SimpleUploadedFile("prices.csv", text.encode())})

    wrong = send("model,currency,input_mtok,output_mtok\ntiny,USD,-1,2\nother,USD,1,2\n")
    assert wrong.status_code == 422
    assert alerts(wrong) == ["Line 2: input_mtok is negative: -1.", "Line 3: There is no model “other”."]
    assert root.post("/prices/import/").status_code == 422
    assert send("model,currency,input_mtok,output_mtok\ntiny,USD,1,2\n").status_code == 302
    assert Price.objects.get().origin == "csv"


def test_a_budget_is_added_changed_and_removed(root):
    assert new_budget(root, soft="4").status_code == 302
    budget = Budget.objects.get()
    assert (budget.soft, budget.hard, BudgetPeriod.objects.get().hard) == (4, 5, 5)
    assert root.post(f"/budgets/{budget.pk}/", {"hard": "7.5"}).status_code == 302
    budget.refresh_from_db()
    assert (budget.soft, budget.hard) == (None, Decimal("7.5"))
    until = timezone.localdate().isoformat()
    assert root.post(f"/budgets/{budget.pk}/more/", {"amount": "10", "day": until}).status_code == 302
    assert Grant.objects.get().amount == 10
    assert "$10.00 more granted" in root.get("/budgets/").content.decode()
    assert root.get(f"/budgets/{budget.pk}/").status_code == 200
    assert root.post(f"/budgets/{budget.pk}/remove/").status_code == 302
    deeds = list(AuditEntry.objects.exclude(deed="rights changed").order_by("pk").values_list("deed", flat=True))
    assert deeds == ["budget added", "budget changed", "more granted", "budget removed"]


def test_a_budget_of_tokens_is_typed_in_tokens(root):
    new_budget(root, unit="Tokens", hard="200000")
    budget = Budget.objects.get()
    assert (budget.unit, budget.hard) == ("tokens", Decimal("0.2"))
    assert 'value="200000"' in root.get(f"/budgets/{budget.pk}/").content.decode()
    assert "0 tokens of 200,000 tokens" in root.get("/budgets/").content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"hard": "-5"}, "A limit is a number above 0, such as 25."),
        ({"hard": "1,000"}, "1,000 may mean two amounts. Write 1000 or 1.000."),
        ({"unit": "tokens", "hard": "200.000"}, "Tokens are counted whole."),
        ({"hard": "much"}, "A limit is a number above 0, such as 25."),
        ({"hard": ""}, "A budget needs a limit: one that warns, one that refuses, or both."),
        ({"soft": "6"}, "It would warn only after it refuses: the first limit must be the lower one."),
        ({"unit": "BTC"}, "“BTC” is no currency. Use a code of ISO 4217, such as EUR, USD or CNY."),
        ({"unit": "tokens", "hard": "1.5"}, "Tokens are counted whole."),
        ({"hard": "1e12"}, "That is more than can be counted here."),
        ({"period": "century"}, "Choose how often it begins anew."),
        ({"whose": "person:99"}, "Choose whose budget it is."),
    ],
)
def test_a_budget_that_cannot_be_is_refused(root, fields, said):
    answer = new_budget(root, **fields)
    assert answer.status_code == 422 and said in alerts(answer)
    assert not Budget.objects.exists() and not AuditEntry.objects.exclude(deed="rights changed").exists()


def test_a_second_budget_of_the_same_kind_is_refused(root):
    new_budget(root)
    assert alerts(new_budget(root)) == ["There is a budget of this kind already. Change that one."]
    assert new_budget(root, unit="EUR").status_code == 302


def test_a_second_click_at_the_same_moment_is_told_what_the_first_has_made(root, tiny):
    """The first one's row is there just after the form has looked for it."""
    then = timezone.make_aware(datetime(2027, 1, 1))
    firsts = {
        "chat_budget": lambda: books.budget("5"),
        "chat_price": lambda: Price.objects.create(
            model=tiny, currency="USD", input_mtok=1, output_mtok=2, valid_from=then
        ),
        "chat_group": lambda: Group.objects.create(name="Students"),
    }

    def first_click(execute, statement, parameters, many, context):
        found = execute(statement, parameters, many, context)
        table = next((one for one in firsts if f' AS "a" FROM "{one}" ' in statement), None)
        if table:
            firsts.pop(table)()
        return found

    with connection.execute_wrapper(first_click):
        budget = new_budget(root)
        price = new_price(root, tiny, day="2027-01-01")
        group = root.post("/groups/", {"name": "Students"})
    assert not firsts
    assert [answer.status_code for answer in (budget, price, group)] == [422] * 3
    assert "There is a budget of this kind already." in budget.content.decode()


def test_a_limit_below_what_is_held_is_refused(root):
    new_budget(root)
    books.ask(books.model(price=("0", "1000"), max_output=1000))
    answer = root.post(f"/budgets/{Budget.objects.get().pk}/", {"hard": "0.5"})
    assert alerts(answer) == ["Replies that are arriving hold $1.00 of it: it cannot be lower until they end."]
    assert Budget.objects.get().hard == 5


def test_groups_are_made_named_and_given_people(root):
    root.post("/groups/", {"name": "Students"})
    group, alice = Group.objects.get(), books.person("alice")
    assert alerts(root.post("/groups/", {"name": "Students"})) == ["Another group has this name."]
    root.post(f"/people/{alice.pk}/group/", {"group": str(group.pk)})
    assert Account.of(alice).group == group
    assert "stays" in root.post(f"/groups/{group.pk}/remove/", follow=True).content.decode()
    root.post(f"/people/{alice.pk}/group/", {"group": ""})
    root.post(f"/groups/{group.pk}/remove/")
    assert not Group.objects.exists()


def test_for_others_none_of_it_exists(root, tiny):
    new_budget(root)
    root.post("/groups/", {"name": "Students"})
    bob, group, budget = visitor("bob"), Group.objects.get(), Budget.objects.get()
    for page in ("/prices/", f"/prices/{tiny.pk}/", "/budgets/", f"/budgets/{budget.pk}/"):
        assert bob.get(page).status_code == 404, page
    for act in (
        *("/prices/import/", f"/prices/{tiny.pk}/", f"/prices/listed/{tiny.provider_id}/", "/budgets/new/"),
        *(f"/budgets/{budget.pk}/", f"/budgets/{budget.pk}/more/", f"/budgets/{budget.pk}/remove/", "/groups/"),
        *(f"/groups/{group.pk}/", f"/groups/{group.pk}/remove/", f"/people/{bob.session['_auth_user_id']}/group/"),
    ):
        assert bob.post(act, {"name": "x", "hard": "1"}).status_code == 404, act
    assert Budget.objects.get().hard == 5 and Group.objects.get().name == "Students"


def test_rights_that_are_given_in_the_admin_are_in_the_audit_without_the_name(root):
    bob = books.person("bob")
    page = f"/admin/chat/person/{bob.pk}/change/"
    fields = {"username": "robert", "is_active": "on", "is_superuser": "on", "date_joined_0": "2026-01-01"}
    assert root.post(page, {**fields, "date_joined_1": "12:00"}).status_code == 302
    entry = AuditEntry.objects.get(key=f"person {bob.pk}", deed="rights changed")
    assert (entry.subject, entry.before["is_superuser"], entry.after["is_superuser"]) == (
        f"person {bob.pk}",
        "False",
        "True",
    )
    assert "robert" not in str(list(AuditEntry.objects.values()))
    assert root.get("/admin/chat/auditentry/").status_code == root.get("/admin/chat/usageday/").status_code == 200
    assert root.post(f"/admin/chat/auditentry/{entry.pk}/change/", {"deed": "none"}).status_code == 403

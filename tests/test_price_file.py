"""Prices from a CSV: what spreadsheets write is taken, and what is wrong is said line by line and changes nothing."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from chat.models import AuditEntry, Price, Provider
from chat.models.price import PriceIsUsed
from chat.price_file import BadList, import_csv
from chat.price_setting import take_listed
from chat.upstream.contract import ListedModel
from tests import books

pytestmark = pytest.mark.django_db

HEAD = "model,currency,input_mtok,output_mtok,valid_from\n"


@pytest.fixture(autouse=True)
def kimi():
    return books.model("kimi-k2", price=None)


@pytest.mark.parametrize(
    "data",
    [
        (HEAD + "kimi-k2,USD,0.6,2.5,2026-01-01\n").encode(),
        (HEAD + "kimi-k2,usd,0.60,2.5,2026-01-01\r\n\r\n").encode("utf-8-sig"),
        (HEAD + "kimi-k2,USD,0.6,2.5,2026-01-01").replace(",", ";").encode("utf-16"),
        (HEAD + "kimi-k2,USD,0.6,2.5,2026-01-01").replace(",", "\t").encode(),
        (b"Valid_From, Output_mtok ,INPUT_MTOK,currency,model\n2026-01-01,2.5,0.6,USD,kimi-k2"),
        (HEAD + "kimi-k2,USD,0.6,2.5,2026-01-01T00:00:00+00:00").encode(),
    ],
)
def test_what_spreadsheets_write_is_taken(data):
    assert import_csv(None, data) == 1
    price = Price.objects.get()
    assert (price.currency, price.input_mtok, price.output_mtok) == ("USD", Decimal("0.6"), Decimal("2.5"))
    assert price.valid_from.isoformat() == "2026-01-01T00:00:00+00:00" and price.origin == "csv"
    assert AuditEntry.objects.get().after["output_mtok"] == "2.5"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("kimi-k2,USD,-1,2.5,", "Line 2: input_mtok is negative: -1."),
        ("kimi-k2,USD,abc,2.5,", "Line 2: input_mtok is “abc”, which is no number such as 0.60."),
        ("kimi-k2,USD,nan,2.5,", "Line 2: input_mtok is “nan”, which is no number such as 0.60."),
        ("kimi-k2,USD,,2.5,", "Line 2: input_mtok is empty."),
        ("kimi-k2,USD,0.6,9999999,", "Line 2: More than a million for a million tokens is no price."),
        ("kimi-k2,USD,0.0000000001,2.5,", "Line 2: Ensure that there are no more than 9 decimal places."),
        ("kimi-k2,BTC,0.6,2.5,", "Line 2: “BTC” is no currency. Use a code of ISO 4217, such as EUR, USD or CNY."),
        ("kimi-k2,free,0.6,2.5,", "Line 2: What is free has no other price than 0."),
        ("gpt-9,USD,0.6,2.5,", "Line 2: There is no model “gpt-9”."),
        ("kimi-k2,USD,0.6,2.5,20.11.2026", "Line 2: “20.11.2026” is no date. Write it as 2026-11-20."),
        ("kimi-k2,USD,0.6,2.5,0001-01-01", "Line 2: “0001-01-01” is no date. Write it as 2026-11-20."),
        (
            "kimi-k2,USD,0.6,2.5,9999-12-31T23:59-12:00",
            "Line 2: “9999-12-31T23:59-12:00” is no date. Write it as 2026-11-20.",
        ),
        (
            "kimi-k2,USD,0,60,2.5,2026-01-01",
            "Line 2 has more cells than the head has columns. Where a comma stands in a figure, write a point, "
            "or put semicolons between the columns.",
        ),
        ("", "The file has no line below its head."),
        ('kimi-k2,USD,"0.6,2.5,', "Line 2 cannot be read: unexpected end of data."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_taken(line, said):
    good = "kimi-k2,USD,0.6,2.5,2020-01-01\n" if line.startswith("kimi") and "cannot be read" not in said else ""
    with pytest.raises(BadList) as bad:
        import_csv(None, (HEAD + line + "\n" + good).encode())
    assert bad.value.faults == [said]
    assert not Price.objects.exists() and not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ((HEAD + "kimi-k2,USD,0.6,2.5,\n模型,USD,1,1,").encode("gb18030"), "Line 3 is not UTF-8."),
        (b"PK\x03\x04\x00\x00", "This is no text file."),
        (b"model,currency,input_mtok,price\n", "The column output_mtok is missing."),
        (b"model,model,currency,input_mtok,output_mtok\n", "The column model is there twice."),
        (b"", "The column model is missing."),
        (b"x" * (2**21 + 1), "The file is larger than 2 MB."),
        ((HEAD + "kimi-k2,USD,1,2,2026-01-01\n" * 2).encode(), "Line 3: kimi-k2 has a price from that day on already,"),
    ],
)
def test_a_file_that_is_no_list_of_prices_is_refused_as_a_whole(data, said):
    with pytest.raises(BadList) as bad:
        import_csv(None, data)
    assert bad.value.faults[0].startswith(said)


def test_a_price_that_overlaps_another_is_refused(kimi):
    import_csv(None, (HEAD + "kimi-k2,USD,0.6,2.5,2026-01-01").encode())
    with pytest.raises(BadList, match="Line 2: This model has another price from that moment on already"):
        import_csv(None, (HEAD + "kimi-k2,EUR,1,2,2026-01-01").encode())
    assert Price.objects.get().currency == "USD"


def test_a_model_of_several_providers_needs_its_provider_named(kimi):
    other = Provider.objects.create(name="Q", profile="default", base_url="http://127.0.0.1:9/v1")
    other.models.create(name="kimi-k2")
    with pytest.raises(BadList, match="Several providers have a model “kimi-k2”: fill the column provider"):
        import_csv(None, (HEAD + "kimi-k2,USD,0.6,2.5,").encode())
    import_csv(None, b"provider,model,currency,input_mtok,output_mtok\nQ,kimi-k2,free,0,0\n")
    assert Price.objects.get().model.provider == other and Price.objects.get().free


def test_listed_prices_are_taken_where_they_differ(kimi):
    listed = ListedModel("kimi-k2", input_mtok=Decimal("0.6"), output_mtok=Decimal("2.5"), currency="USD")
    odd = ListedModel("odd", input_mtok=Decimal("-1"), output_mtok=Decimal("1"), currency="USD")
    assert take_listed(None, kimi.provider, [listed, odd, ListedModel("unknown")]) == 1
    assert take_listed(None, kimi.provider, [listed]) == 0
    dearer = ListedModel("kimi-k2", input_mtok=Decimal("0.7"), output_mtok=Decimal("2.5"), currency="USD")
    assert take_listed(None, kimi.provider, [dearer]) == 1
    now = Price.current([kimi], timezone.now())[kimi.pk]
    assert now.input_mtok == Decimal("0.7") and now.origin == "listed"
    assert AuditEntry.objects.first().before["input_mtok"] == "0.6"


def test_a_price_that_was_used_is_never_changed():
    tiny = books.model("tiny", price=("1", "2"))
    books.settle(books.ask(tiny))
    price = tiny.prices.get()
    price.input_mtok = Decimal(5)
    with pytest.raises(PriceIsUsed):
        price.save()
    later = Price(model=tiny, currency="USD", input_mtok=5, output_mtok=2, valid_from=timezone.now() + timedelta(1))
    later.save()
    later.input_mtok = Decimal(6)
    later.save()

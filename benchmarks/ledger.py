"""Fills a database with generated usage: people, models, completions, their ledger lines, and the daily sums of these.

python -m benchmarks.ledger ENTRIES [DAYS]    with CHAT_DATA or DATABASE_URL; the database is migrated and has no usage

The lines are what booking would write, figure for figure: `manage.py auditusage` proves it. They are made by the
database itself from their numbers, since ten million go over no wire in reasonable time.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
django.setup()

from django.apps import apps  # noqa: E402
from django.core.management.color import no_style  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from chat.accounting.pace import BUCKETS, LEAST_SECONDS, bounds  # noqa: E402
from chat.models import (  # noqa: E402
    Account,
    Completion,
    Group,
    LanguageModel,
    Person,
    Price,
    Provider,
    UsageDay,
    UsageEntry,
)

PEOPLE, GROUPS, MODELS = 500, 20, 12
DAYS = 730
BATCH = 500_000
UNPRICED = 12  # the last model
MAX_OUTPUT = 4096
PRICES = [("0.60", "2.50"), ("3", "15"), ("0.28", "0.42"), ("0.25", "2"), ("1.25", "10"), ("0.10", "0.40")]
CURRENCIES = ["USD"] * 8 + ["EUR"] * 3


def fill(entries: int, days: int = DAYS) -> None:
    make_people()
    make_models()
    indexes = drop_indexes()
    make_lines(entries, days)
    make_days()
    make_rollups()
    for statement in indexes:
        run(statement)
    for statement in connection.ops.sequence_reset_sql(
        no_style(), [Account, LanguageModel, Price, Completion, UsageEntry]
    ):
        run(statement)  # their numbers were given
    run("ANALYZE")


@transaction.atomic
def make_people() -> None:
    groups = [Group.objects.create(name=f"Group {number}") for number in range(1, GROUPS + 1)]
    for number in range(1, PEOPLE + 1):
        person = Person.objects.create(username=f"person-{number}", password="!")
        group = groups[number % GROUPS] if number % 5 else None
        Account.objects.create(pk=number, person=person, label=person.username, group=group)


@transaction.atomic
def make_models() -> None:
    providers = [
        Provider.objects.create(name=f"Provider {n}", profile="openai", base_url="https://models.example/v1")
        for n in range(3)
    ]
    since = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(1, MODELS + 1):
        provider = providers[number % 3]
        LanguageModel.objects.create(pk=number, provider=provider, name=f"model-{number}", max_output=MAX_OUTPUT)
        if number != UNPRICED:
            cheap, dear = map(Decimal, PRICES[number % len(PRICES)])
            currency = CURRENCIES[number - 1]
            Price.objects.create(
                pk=number, model_id=number, valid_from=since, currency=currency, input_mtok=cheap, output_mtok=dear
            )


# By the database


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def drop_indexes() -> list[str]:
    """What makes them again: a sorted index is made in a fraction of the time in which it would grow."""
    dropped = []
    for model in (Completion, UsageEntry):
        table = model._meta.db_table
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql <> '' AND tbl_name = %s"
            else:
                query = (
                    "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND indexname NOT IN"
                    " (SELECT conname FROM pg_constraint)"
                )
            cursor.execute(query, [table])
            found = cursor.fetchall()
        for name, statement in found:
            run(f'DROP INDEX "{name}"')
            dropped.append(statement)
    return dropped


def chance(salt: int, below: int) -> str:
    """A number from 0 on that looks random, made of the line's number n."""
    return f"(((n * {2654435761 + 2 * salt} + {salt * 977}) % 4294967291) / 64 % {below})"


def numbers(first: int, last: int) -> str:
    if connection.vendor == "sqlite":
        return (
            f"WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})"
            " SELECT n FROM numbers"
        )
    return f"SELECT n FROM generate_series({first}::bigint, {last}::bigint) n"


def make_lines(entries: int, days: int) -> None:
    first_day = timezone.localdate() - timedelta(days=days - 1)
    if connection.vendor == "sqlite":
        run("PRAGMA foreign_keys = OFF")
        run("PRAGMA synchronous = OFF")
    else:
        run("SET session_replication_role = replica")
        run("SET statement_timeout = 0")
        run("SET synchronous_commit = off")
    for first in range(1, entries + 1, BATCH):
        last = min(first + BATCH - 1, entries)
        run(completions(first, last, entries, days, first_day.isoformat()))
        run(charges(first, last))


def completions(first: int, last: int, entries: int, days: int, first_day: str) -> str:
    """Who asks much and what is asked often is skewed; days follow the numbers."""
    person = f"(1 + {chance(1, 1000)} * {chance(1, 1000)} * {PEOPLE} / 1000000)"
    place = f"(n * {days} / {entries + 1})"
    outcome = chance(3, 1000)
    bounded = "CASE WHEN status IN ('stopped', 'abandoned', 'cut') AND n % 2 = 0 THEN 1 ELSE 0 END"
    if connection.vendor == "sqlite":
        day, ask = f"date('{first_day}', '+' || {place} || ' days')", "printf('%032x', n)"
        moment = f"datetime('{first_day}', '+' || {place} || ' days', '+' || {chance(9, 86000)} || ' seconds')"
    else:
        day, ask = f"(date '{first_day}' + {place}::int)", "md5(n::text)::uuid"
        moment = f"({day} + make_interval(secs => {chance(9, 86000)}))::timestamptz"
    rows = f"""
        SELECT n, {person} AS account_id, {day} AS day, {ask} AS ask, {moment} AS moment,
            CASE WHEN {outcome} < 914 THEN 'complete' WHEN {outcome} < 960 THEN 'stopped'
                WHEN {outcome} < 979 THEN 'abandoned' WHEN {outcome} < 993 THEN 'cut'
                WHEN {outcome} < 999 THEN 'failed' ELSE 'lost' END AS status,
            200 + {chance(4, 6000)} AS input_tokens, 20 + {chance(5, 1500)} AS output_tokens,
            200 + {chance(6, 1000)} * {chance(6, 1000)} / 200 AS first_delta_ms,
            1000 + {chance(7, 30000)} AS took_ms
        FROM ({numbers(first, last)}) numbered"""
    rows = f"SELECT *, {bounded} AS is_estimate FROM ({rows}) first"
    model = f"(1 + (account_id * 7 + {chance(2, 3)} * {chance(2, 3)}) % {MODELS})"
    used = f"""
        SELECT *, {model} AS chosen, CASE WHEN is_estimate = 1 THEN output_tokens / 20 ELSE 0 END AS bound
        FROM ({rows}) second"""
    group = "CASE WHEN account_id % 5 = 0 THEN NULL ELSE account_id % 20 + 1 END"
    columns = {
        "id": "n",
        "account_id": "used.account_id",
        "person_id": "account.person_id",
        "model_id": "chosen",
        "ask": "ask",
        "max_output": f"{MAX_OUTPUT}",
        "day": "day",
        "group_id": group.replace("account_id", "used.account_id"),
        "price_id": f"CASE WHEN chosen = {UNPRICED} THEN NULL ELSE chosen END",
        "status": "status",
        "attempts": "1",
        "created": "moment",
        "settled": "moment",
        "first_delta_ms": "first_delta_ms",
        "duration_ms": "first_delta_ms + took_ms",
        "usage_source": "CASE WHEN is_estimate = 1 THEN 'estimated' ELSE 'reported' END",
        "input_tokens": "input_tokens",
        "input_low": "input_tokens",
        "input_high": "input_tokens",
        "output_tokens": "output_tokens",
        "output_low": "output_tokens - bound",
        "output_high": "output_tokens + bound",
        "cached_tokens": "input_tokens / 3",
        "reasoning_tokens": "output_tokens / 5",
        "own_input_tokens": "input_tokens",
        "own_output_tokens": "output_tokens",
        "amount": money("input_tokens", "output_tokens"),
        "amount_low": money("input_tokens", "output_tokens - bound"),
        "amount_high": money("input_tokens", "output_tokens + bound"),
    }
    source = f"({used}) used JOIN chat_account account ON account.id = used.account_id"
    return insert(Completion, columns, f"{source} LEFT JOIN chat_price price ON price.id = chosen")


def money(input_tokens: str, output_tokens: str) -> str:
    """Rounded half up, once, as pricing does; NULL without a price."""
    nanos = f"(({input_tokens}) * price.input_mtok + ({output_tokens}) * price.output_mtok)"
    return f"({nanos} * 2 + 1000000) / 2000000"


def charges(first: int, last: int) -> str:
    is_estimate = "c.usage_source = 'estimated'"
    columns = {name: f"c.{name}" for name in ("id", "account_id", "group_id", "day", "price_id")}
    columns |= {"kind": "'charge'", "completion_id": "c.id", "source": "c.usage_source", "created": "c.settled"}
    for name in ("input_tokens", "input_low", "input_high", "output_tokens", "output_low", "output_high"):
        columns[name] = f"c.{name}"
    columns |= {name: f"c.{name}" for name in ("cached_tokens", "reasoning_tokens")}
    columns |= {name: f"c.{name}" for name in ("amount", "amount_low", "amount_high")}
    columns |= {
        "estimated_input": f"CASE WHEN {is_estimate} THEN c.input_tokens ELSE 0 END",
        "estimated_output": f"CASE WHEN {is_estimate} THEN c.output_tokens ELSE 0 END",
        "currency": "COALESCE(price.currency, '')",
        "estimated_amount": f"CASE WHEN c.amount IS NULL THEN NULL WHEN {is_estimate} THEN c.amount ELSE 0 END",
    }
    source = (
        f"chat_completion c LEFT JOIN chat_price price ON price.id = c.price_id WHERE c.id BETWEEN {first} AND {last}"
    )
    return insert(UsageEntry, columns, source)


def make_days() -> None:
    """The sums of the lines, as auditing adds them up."""
    summed = (
        "input_tokens input_low input_high cached_tokens output_tokens output_low output_high reasoning_tokens"
        " estimated_input estimated_output"
    ).split()
    columns = {"day": "e.day", "account_id": "e.account_id", "group_id": "e.group_id", "model_id": "c.model_id"}
    columns |= {"purpose": "c.purpose", "outcome": "c.status", "currency": "e.currency", "replies": "COUNT(*)"}
    columns |= {name: f"SUM(e.{name})" for name in summed}
    for name in ("amount", "amount_low", "amount_high", "estimated_amount"):
        columns[name] = f"COALESCE(SUM(e.{name}), 0)"
    stopped = "c.status IN ('stopped', 'abandoned')"
    spared = "(c.max_output - e.output_tokens)"
    columns["spared_tokens"] = f"SUM(CASE WHEN {stopped} THEN {spared} ELSE 0 END)"
    columns["spared_amount"] = (
        f"COALESCE(SUM(CASE WHEN {stopped} THEN ({spared} * price.output_mtok * 2 + 1000000) / 2000000 ELSE 0 END), 0)"
    )
    took = "(c.duration_ms - c.first_delta_ms)"
    pace = {"ttft": "c.first_delta_ms / 1000.0", "speed": f"e.output_tokens * 1000.0 / {took}"}
    assert LEAST_SECONDS < 1  # all that is generated takes longer
    for kind, figure in pace.items():
        for number in range(BUCKETS):
            low, high = bounds(kind, number)
            below = "" if number == BUCKETS - 1 else f" AND {figure} < {high!r}"
            columns[f"{kind}_{number}"] = f"SUM(CASE WHEN {figure} >= {low!r}{below} THEN 1 ELSE 0 END)"
    source = (
        "chat_usageentry e JOIN chat_completion c ON c.id = e.completion_id LEFT JOIN chat_price price ON"
        " price.id = e.price_id GROUP BY e.day, e.account_id, e.group_id, c.model_id, c.purpose, c.status, e.currency"
    )
    run(insert(UsageDay, columns, source))


def make_rollups() -> None:
    """As the migration does that found days without them."""
    fill_rollups = import_module("chat.migrations.0018_fill_rollups").fill
    with connection.schema_editor() as editor:
        fill_rollups(apps, editor)


def insert(model, columns: dict[str, str], source: str) -> str:
    """What is not given has the model's default."""
    given = dict(columns)
    for field in model._meta.concrete_fields:
        if field.column not in given and not field.primary_key:
            given[field.column] = literal(field)
    names, values = ", ".join(map(quoted, given)), ", ".join(given.values())
    return f"INSERT INTO {model._meta.db_table} ({names}) SELECT {values} FROM {source}"


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def literal(field) -> str:
    if field.null:
        return "NULL"
    default = field.get_default()
    if isinstance(default, bool):
        return ("TRUE" if default else "FALSE") if connection.vendor == "postgresql" else str(int(default))
    if isinstance(default, bytes):
        return "''" if connection.vendor == "postgresql" else "x''"
    return str(field.get_prep_value(default)) if isinstance(default, int | Decimal) else f"'{default}'"


if __name__ == "__main__":
    fill(int(sys.argv[1]), *map(int, sys.argv[2:]))

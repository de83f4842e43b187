"""What tests of money need: models with prices, budgets, asks, and settlements of every outcome, in this process."""

import uuid
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from chat import asking, settlement
from chat.accounting import audit, budgets
from chat.asking import Asked, Wish
from chat.live.queueing import begin
from chat.models import (
    Account,
    Budget,
    BudgetPeriod,
    Completion,
    LanguageModel,
    Message,
    Person,
    Price,
    Process,
    Provider,
)
from chat.settlement import Ending
from chat.transcript import Transcript
from chat.upstream.contract import BodyEnd, Delta, Failure, Finish, Opened, Terminator, Usage, UsageSeen

OUTCOMES = ("complete", "stopped", "abandoned", "cut", "failed", "refused", "lost", "unreachable", "queued")


def model(name: str = "tiny", *, price: tuple[str, str] | None = ("1", "2"), currency: str = "USD", **fields):
    """With a price of so much per million tokens of input and output."""
    provider, _made = Provider.objects.get_or_create(
        name="P", defaults={"profile": fields.pop("profile", "default"), "base_url": "http://127.0.0.1:9/v1"}
    )
    made = LanguageModel.objects.create(provider=provider, name=name, **{"max_output": 1000, **fields})
    if price:
        Price.objects.create(
            model=made,
            currency=currency,
            input_mtok=Decimal(price[0]),
            output_mtok=Decimal(price[1]),
            valid_from=timezone.now() - timezone.timedelta(days=400),
        )
    return made


def budget(hard: str | None = None, *, unit: str = "USD", period: str = "month", soft=None, **whose) -> BudgetPeriod:
    """Its period of today. Of `account` or `group`, else of everybody."""
    limits = {"hard": None if hard is None else Decimal(hard), "soft": None if soft is None else Decimal(soft)}
    with transaction.atomic():
        made = Budget.objects.create(unit=unit, period=period, begins=timezone.localdate(), **limits, **whose)
        return budgets.open_period(made, timezone.localdate())


def person(name: str = "alice") -> Person:
    return Person.objects.filter(username=name).first() or Person.objects.create_user(name)


def account(name: str = "alice") -> Account:
    return Account.of(person(name))


def ask(*models: LanguageModel, who: str = "alice", text: str = "Hi", n: int = 1, cap: str | None = None) -> Asked:
    wish = Wish(list(models), n, cap=None if cap is None else Decimal(cap))
    return asking.send(person(who), text=text, wish=wish, key=uuid.uuid4(), conversation=None, parent=None)


def settle(
    asked: Asked, outcome: str = "complete", *, usage=(100, 50), text: str = "Hello there. "
) -> list[Completion]:
    """Ends all that was asked for, as that outcome does."""
    process = Process.objects.create()
    return [_settled(completion, process, outcome, usage, text) for completion in asked.completions]


def _settled(completion: Completion, process: Process, outcome: str, usage: tuple, text: str) -> Completion:
    if outcome == "queued":
        assert settlement.settle_queued(completion, Ending("stopped", "person"))
        return Completion.objects.get(pk=completion.pk)
    live = begin(completion.pk, process.pk)
    transcript, ending = transcript_of(outcome, completion.n, usage, text)
    assert settlement.settle(live.completion, transcript, ending)
    return Completion.objects.get(pk=completion.pk)


def transcript_of(outcome: str, n: int, usage: tuple, text: str) -> tuple[Transcript, Ending]:
    transcript = Transcript(n)
    if outcome == "unreachable":
        transcript.fold([Failure("unreachable", "nothing listens")], 0.1)
        return transcript, settlement.proved_end(transcript)
    transcript.fold([Opened(200, "terminator")], 0.1)
    if outcome == "refused":
        transcript.fold([Failure("bad_request", "no"), BodyEnd()], 0.2)
        return transcript, settlement.proved_end(transcript)
    transcript.fold([Delta(index, text) for index in range(n)], 0.3)
    match outcome:
        case "complete":
            transcript.fold([Finish(index, "stop", "stop") for index in range(n)], 1.3)
            transcript.fold([UsageSeen(Usage(*usage), "final_chunk"), Terminator(), BodyEnd()], 1.3)
        case "cut":
            transcript.fold([BodyEnd(reset=True)], 1.3)
        case "failed":
            transcript.fold([Failure("upstream", "broken"), BodyEnd()], 1.3)
    proved = settlement.proved_end(transcript)
    chosen = {"stopped": ("stopped", "person"), "abandoned": ("abandoned", "left"), "lost": ("lost", "restart")}
    status, reason = chosen.get(outcome, (proved.status, proved.reason))
    return transcript, Ending(status, reason, duration_ms=1300)


def off() -> list[str]:
    """What the audit finds."""
    with audit.one_state():
        return [str(finding) for finding in audit.audit()]


def texts() -> int:
    return Message.objects.count()

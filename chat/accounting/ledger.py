"""The only writer of UsageEntry. Lines are appended; what a completion costs now is the sum of its lines."""

from dataclasses import astuple, dataclass

from django.db.models import Max

from chat.models import Completion, UsageEntry

SUMMED = ("input_tokens", "input_low", "input_high", "output_tokens", "output_low", "output_high")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one completion used, in tokens, between bounds that are equal where the figure is exact."""

    input_tokens: int
    input_low: int
    input_high: int
    output_tokens: int
    output_low: int
    output_high: int

    @classmethod
    def exactly(cls, input_tokens: int, output_tokens: int) -> "Tokens":
        return cls(input_tokens, input_tokens, input_tokens, output_tokens, output_tokens, output_tokens)

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(*(mine - theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


def charge(completion: Completion, source: str, tokens: Tokens) -> UsageEntry:
    """The completion's one charge. Call it in the transaction that settles."""
    return UsageEntry.objects.create(
        kind=UsageEntry.Kind.CHARGE,
        completion=completion,
        account_id=completion.account_id,
        group_id=completion.group_id,
        day=completion.day,
        source=source,
        **_columns(tokens),
    )


def adjust(completion: Completion, source: str, tokens: Tokens) -> UsageEntry:
    """Brings a charge to a new figure: the line holds the difference. Call it with the completion's row locked."""
    charged = completion.usage_entries.get(kind=UsageEntry.Kind.CHARGE)
    last = charged.adjustments.aggregate(last=Max("number"))["last"] or 0
    return UsageEntry.objects.create(
        kind=UsageEntry.Kind.ADJUSTMENT,
        completion=completion,
        account_id=charged.account_id,
        group_id=charged.group_id,
        day=charged.day,
        charge=charged,
        number=last + 1,
        source=source,
        **_columns(tokens - charged_so_far(completion)),
    )


def charged_so_far(completion: Completion) -> Tokens:
    lines = completion.usage_entries.values_list(*SUMMED)
    return Tokens(*(sum(column) for column in zip(*lines, strict=True)))


def _columns(tokens: Tokens) -> dict[str, int]:
    return dict(zip(SUMMED, astuple(tokens), strict=True))

"""Settles a completion: one transaction, takes effect once. The only way out; its mirror is asking.

Also for a dead process's completions, by what their segments prove.
"""

import math
import zlib
from dataclasses import dataclass

from django.db import transaction

from chat import index, titles
from chat.accounting import booking, calibration
from chat.accounting.pricing import Tokens
from chat.models import Completion, Conversation, Message, Presence, Process, Segment
from chat.models.money import nearest
from chat.tokens import Estimate, Ratio, estimate
from chat.transcript import Transcript, thought_seconds
from chat.upstream.contract import Usage
from chat.upstream.payloads import trusted
from chat.words import folded

RECOUNTS = 3
LOOKUPS = 6
LONGEST_WAIT = 30 * 24 * 3600  # seconds; a provider may ask for any
ABSURD = 2  # times what can have come
CUT_REASONS = {"cut": "ended_early"}  # the wire's word for it would say the status twice

Status = Completion.Status
Source = Completion.Source


@dataclass(frozen=True, slots=True)
class Ending:
    """How a completion ended, and when: milliseconds since it went live."""

    status: str
    reason: str
    error: str = ""
    code: str = ""  # of the error: some are ours, and have their sentence in every language
    duration_ms: int | None = None
    closing_ms: int | None = None


def proved_end(transcript: Transcript) -> Ending:
    """What the transcript alone says of its end, once nothing more can come."""
    incomplete = transcript.incomplete_reason()
    if incomplete is None:
        return Ending(Status.COMPLETE, "")
    if transcript.failure:
        failure = transcript.failure
        return Ending(Status.FAILED, failure.kind, error=failure.message, code=str(failure.code or "")[:40])
    if transcript.garbled:
        return Ending(Status.CUT, "too_long" if transcript.garbled == "too_long" else "garbled")
    if transcript.body_end and transcript.body_end.reset:
        return Ending(Status.CUT, "reset")
    return Ending(Status.CUT, CUT_REASONS.get(incomplete, incomplete))


def settle(
    completion: Completion, transcript: Transcript, ending: Ending, *, ends: tuple[str, ...] = Completion.UNSETTLED
) -> bool:
    """Writes the end, unless somebody else has: then it writes nothing and is False."""
    outcome = {"error": ending.error, "error_code": ending.code, **_timing(transcript, ending)}
    with transaction.atomic():
        if not completion.end(ending.status, ending.reason, ends=ends, **outcome):
            return False
        _write(completion, transcript)
    return True


def settle_queued(completion: Completion, ending: Ending) -> bool:
    """Ends what no process has claimed; False if one has meanwhile."""
    return settle(completion, Transcript(completion.n), ending, ends=(Status.QUEUED,))


def bury(process: Process, reason: str = "killed") -> list[Completion]:
    """Settles what a dead process left live; returns it. Each in a transaction of its own."""
    Process.objects.filter(pk=process.pk).update(dead=True)
    Presence.objects.filter(process=process).delete()
    left = Completion.objects.filter(process=process, status=Status.LIVE).select_related("model__provider")
    return [completion for completion in left if _settle_lost(completion, reason)]


def _settle_lost(completion: Completion, reason: str) -> bool:
    with transaction.atomic():
        if not completion.end(Status.LOST, reason):
            return False
        # Read after the UPDATE: a save of the dead process either came before it or comes to nothing.
        transcript = completion.transcript_so_far()
        transcript.forget_failures_before(completion.attempts)  # what a call said that was being repeated
        if transcript.incomplete_reason() is None or transcript.failure:
            proved = proved_end(transcript)
            changes = {"status": proved.status, "reason": proved.reason, "error": proved.error}
            changes |= {"error_code": proved.code, **_timing(transcript, proved)}
            Completion.objects.filter(pk=completion.pk).update(**changes)
        else:
            Completion.objects.filter(pk=completion.pk).update(**_timing(transcript, Ending(Status.LOST, reason)))
        _write(completion, transcript)
    return True


def _write(completion: Completion, transcript: Transcript) -> None:
    """What every end writes beside the status. A conversation that is gone meanwhile still pays."""
    completion.refresh_from_db(from_queryset=Completion.objects.select_related("model__provider", "price"))
    if completion.purpose == Completion.Purpose.TITLE:
        _write_title(completion, transcript)
    else:
        _write_choices(completion, transcript)
        index.put(completion.messages.select_related("conversation"))
        _mark_unread(completion)
    source, tokens, usage = _usage(completion, transcript)
    booking.charge(completion, source, tokens)
    facts = completion.model.provider.facts
    unsure = source == Source.ESTIMATED
    has_text = completion.purpose == Completion.Purpose.REPLY  # that is kept, and can be counted again
    changes = {
        "cached_tokens": usage.cached_tokens if usage else None,
        "reasoning_tokens": usage.reasoning_tokens if usage else None,
        "said_cost": nearest(usage.cost) if usage else None,
        "own_output_tokens": _own_output(transcript).tokens,
        "recounts_left": RECOUNTS if facts.counting and unsure and has_text else 0,
        "lookups_left": LOOKUPS if facts.looking_up and unsure and completion.request_id else 0,
        **booking.standing(completion, source, tokens),
    }
    Completion.objects.filter(pk=completion.pk).update(**changes)
    Segment.objects.filter(completion=completion).delete()


def _write_title(completion: Completion, transcript: Transcript) -> None:
    """Of a whole answer. What its person has named meanwhile keeps that name; what failed leaves the first words."""
    title = titles.of_answer("".join(choice.text for choice in transcript.choices[:1]))
    if title and completion.status == Status.COMPLETE:
        unnamed = Conversation.objects.filter(pk=completion.conversation_id, titled_by=Conversation.TitledBy.WORDS)
        unnamed.update(title=title, folded_title=folded(title), titled_by=Conversation.TitledBy.MODEL)


def _mark_unread(completion: Completion) -> None:
    """Until a page shows it. Whoever stops a reply, or deletes it, knows of its end."""
    if completion.reason not in ("person", "deleted"):
        Conversation.objects.filter(pk=completion.conversation_id, unread=False).update(unread=True)


def _timing(transcript: Transcript, ending: Ending) -> dict:
    first = next(transcript.timeline(), None)
    return {
        "first_delta_ms": int(first.at * 1000) if first else None,
        "duration_ms": ending.duration_ms,
        "closing_ms": ending.closing_ms,
        "asked_wait_s": _asked_wait(transcript),
        "arrivals": zlib.compress(bytes(transcript.arrivals)),
        "request_id": (transcript.opened.request_id if transcript.opened else "")[:200],
    }


def _asked_wait(transcript: Transcript) -> int | None:
    wait = transcript.failure.retry_after if transcript.failure else None
    return math.ceil(min(wait, LONGEST_WAIT)) if wait else None


def _write_choices(completion: Completion, transcript: Transcript) -> None:
    messages = {message.choice_index: message for message in completion.messages.all()}
    for choice in transcript.choices:
        message = messages.get(choice.index) or _unasked(completion, messages, choice.index)
        if message is None:
            continue
        thought = thought_seconds(transcript.timeline(), choice.index)
        Message.objects.filter(pk=message.pk).update(
            text=message.text + choice.text,
            reasoning=choice.reasoning,
            thought_ms=None if thought is None else int(thought * 1000),
            finish_reason=choice.finish_reason,
        )
    _remove_silent(completion, transcript, list(messages.values()))


def _unasked(completion: Completion, messages: dict[int, Message], index: int) -> Message | None:
    """A choice that nobody asked for is kept all the same. None: the conversation is gone."""
    if not messages:
        return None
    first = messages[min(messages)]
    return Message.objects.create(
        conversation_id=first.conversation_id,
        parent_id=first.parent_id,
        role=Message.Role.ASSISTANT,
        completion=completion,
        choice_index=index,
    )


def _remove_silent(completion: Completion, transcript: Transcript, messages: list[Message]) -> None:
    """A choice that never sent anything goes, unless it is the only one."""
    seen = {choice.index for choice in transcript.choices if choice.text or choice.reasoning or choice.finish_reason}
    silent = [message for message in messages if message.choice_index not in seen]
    if len(silent) == len(messages):
        silent = sorted(silent, key=lambda message: message.choice_index)[1:]
    if not silent:
        return
    kept = next(message for message in messages if message not in silent)
    leaf = kept.conversation.leaf_id
    if any(message.pk == leaf for message in silent):
        kept.conversation.show(kept)
    Message.objects.filter(pk__in=[message.pk for message in silent]).delete()


def _usage(completion: Completion, transcript: Transcript) -> tuple[str, Tokens, Usage | None]:
    """What it used, whoever says so, and the upstream's own statement if there is one to believe."""
    if completion.attempts == 0 or _was_not_sent(transcript):
        return Source.NOT_SENT, Tokens.exactly(0, 0), None
    seen = transcript.usage()
    usage = seen[0] if seen and _believable(completion, transcript, seen[0]) else None
    refused = transcript.failure is not None and not transcript.is_answered
    if refused and usage is None:
        return Source.REPORTED, Tokens.exactly(0, 0), None  # refused before the first byte costs nothing
    if usage and usage.input_tokens is not None and usage.output_tokens is not None and _is_final(transcript):
        known = {"cached": usage.cached_tokens or 0, "reasoning": usage.reasoning_tokens or 0}
        return Source.REPORTED, Tokens.exactly(usage.input_tokens, usage.output_tokens, **known), usage
    return Source.ESTIMATED, _estimated(completion, transcript, usage), usage


def _was_not_sent(transcript: Transcript) -> bool:
    """Whether it failed before the upstream said anything at all."""
    failure = transcript.failure
    return failure is not None and (failure.kind == "unreachable" or transcript.opened is None)


def _believable(completion: Completion, transcript: Transcript, usage: Usage) -> bool:
    """Not a constant, not negative, and no more output than was allowed or can have come, with room for what is hidden.

    Reasoning that a provider does not send counts, too; but within the longest answer that was asked for.
    """
    most = ABSURD * max(completion.max_output * completion.n, _own_output(transcript).high)
    return trusted(completion.model.provider.facts, usage) and (usage.output_tokens or 0) <= most


def _is_final(transcript: Transcript) -> bool:
    """Whether the usage seen is that of the whole answer, not a running total that a cut left behind."""
    return bool(transcript.terminated or transcript.incomplete_reason() in (None, "no_terminator")) or (
        bool(transcript.choices) and len(transcript.finished) == len(transcript.choices)
    )


def _estimated(completion: Completion, transcript: Transcript, usage: Usage | None) -> Tokens:
    """Our own figures; what the upstream said of a part is exact for the prompt, and a lower bound for the answer."""
    ratio = calibration.ratio_of(completion.model_id, "output")
    own = _own_output(transcript, ratio)
    thoughts = estimate("".join(choice.reasoning for choice in transcript.choices), ratio)
    said_in, said_out = (usage.input_tokens, usage.output_tokens) if usage else (None, None)
    floor = said_out or 0
    prompt = (completion.input_tokens or 0, completion.input_low or 0, completion.input_high or 0)
    return Tokens(
        *(prompt if said_in is None else (said_in, said_in, said_in)),
        output_tokens=max(own.tokens, floor),
        output_low=max(own.low, floor),
        output_high=max(own.high, floor),
        cached_tokens=min(usage.cached_tokens or 0, said_in) if usage and said_in is not None else 0,
        reasoning_tokens=min(thoughts.tokens, own.tokens),
    )


def _own_output(transcript: Transcript, ratio: Ratio | None = None) -> Estimate:
    return estimate("".join(choice.reasoning + choice.text for choice in transcript.choices), ratio)

"""One answer asked of one model: a row from before the call until for ever.

    queued ──claim──▶ live ──▶ complete    the upstream said all, and proved it
                           ├─▶ stopped     person · administrator · deleted · revoked · cap
                           ├─▶ abandoned   its person left, and the grace ran out
                           ├─▶ cut         no_terminator · ended_without_reason · missing_choice · ended_early · garbled
                           │               reset · stalled · too_long · deadline
                           ├─▶ failed      unreachable · the error kinds of the wire
                           └─▶ lost        its process died: killed · restart
    queued ──────────▶ stopped · abandoned (as above, before the call) · failed (not_started)

The words on the right are each end's `reason`, a closed set.
"""

import uuid

import orjson
from django.conf import settings
from django.db import models, transaction
from django.db.models import functions
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.language_model import LanguageModel, Provider
from chat.models.money import MoneyField
from chat.transcript import Transcript


class CompletionQuerySet(models.QuerySet):
    def unsettled(self) -> "CompletionQuerySet":
        # The second says nothing more, but has an index that holds no others.
        return self.filter(status__in=Completion.UNSETTLED, settled=None)


class Completion(models.Model):
    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        LIVE = "live", _("live")
        COMPLETE = "complete", _("complete")
        STOPPED = "stopped", _("stopped")
        ABANDONED = "abandoned", _("abandoned")
        CUT = "cut", _("cut")
        FAILED = "failed", _("failed")
        LOST = "lost", _("lost")

    UNSETTLED = (Status.QUEUED, Status.LIVE)

    class Purpose(models.TextChoices):
        REPLY = "reply", _("reply")
        TITLE = "title", _("title")  # has no messages: it names its conversation

    class Source(models.TextChoices):
        """Where the usage comes from; empty while the completion is not settled."""

        REPORTED = "reported", _("reported")
        LOOKED_UP = "looked up", _("looked up")
        RECONCILED = "reconciled", _("from the bill")
        COUNTED = "counted", _("counted")
        ESTIMATED = "estimated", _("estimated")
        NOT_SENT = "not sent", _("not sent")

    account = models.ForeignKey("chat.Account", on_delete=models.PROTECT)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    conversation = models.ForeignKey("chat.Conversation", null=True, on_delete=models.SET_NULL)
    model = models.ForeignKey("chat.LanguageModel", on_delete=models.PROTECT)
    ask = models.UUIDField(default=uuid.uuid4, db_index=True)  # the same for all that were asked for together
    purpose = models.CharField(max_length=10, default=Purpose.REPLY)
    n = models.PositiveSmallIntegerField(default=1)
    streamed = models.BooleanField(default=True)
    max_output = models.PositiveIntegerField()
    parameters = models.JSONField(default=dict)  # what was asked for besides, and is sent: chat.parameters

    # Of the moment when it was asked for: they hold for its Holds and for all its ledger lines.
    day = models.DateField(default=timezone.localdate)  # in the site's time zone
    group = models.ForeignKey("chat.Group", null=True, on_delete=models.PROTECT)
    price = models.ForeignKey("chat.Price", null=True, on_delete=models.PROTECT)  # None: unpriced
    cap = MoneyField(null=True)  # in the price's currency: it stops there

    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    reason = models.CharField(max_length=24, blank=True)
    error = models.TextField(blank=True)  # as it was said
    error_code = models.CharField(max_length=40, blank=True)
    process = models.ForeignKey("chat.Process", null=True, on_delete=models.SET_NULL)
    # Why it is to end, written by whoever is not its process; that one reads it with each save.
    stopping = models.CharField(max_length=24, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    request_id = models.CharField(max_length=200, blank=True)

    created = models.DateTimeField(auto_now_add=True)
    settled = models.DateTimeField(null=True)
    first_delta_ms = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)
    closing_ms = models.PositiveIntegerField(null=True)  # from the wish to stop until the upstream was closed
    asked_wait_s = models.PositiveIntegerField(null=True)  # how long the provider that refused it asks to wait
    arrivals = models.BinaryField(default=bytes)  # transcript.decode_arrivals of its zlib form

    # Usage as it stands, adjustments included. The ledger has the lines that make it up.
    usage_source = models.CharField(max_length=10, choices=Source, blank=True)
    input_tokens = models.PositiveIntegerField(null=True)
    input_low = models.PositiveIntegerField(null=True)
    input_high = models.PositiveIntegerField(null=True)
    output_tokens = models.PositiveIntegerField(null=True)
    output_low = models.PositiveIntegerField(null=True)
    output_high = models.PositiveIntegerField(null=True)
    cached_tokens = models.PositiveIntegerField(null=True)
    reasoning_tokens = models.PositiveIntegerField(null=True)
    # In the price's currency; None: unpriced, or not settled yet.
    amount = MoneyField(null=True)
    amount_low = MoneyField(null=True)
    amount_high = MoneyField(null=True)
    said_cost = MoneyField(null=True)  # what the provider itself said that it cost
    # What we ourselves estimated, kept beside what the upstream says; not by the model's ratio, which it teaches.
    own_input_tokens = models.PositiveIntegerField(default=0)
    own_output_tokens = models.PositiveIntegerField(default=0)
    left_out = models.PositiveSmallIntegerField(default=0)  # turns of the thread for which the window had no room
    # Of those files of the thread that this prompt was to hold: what was sent of images, and what was not at all.
    images = models.PositiveSmallIntegerField(default=0)
    files_left_out = models.PositiveSmallIntegerField(default=0)
    lookups_left = models.PositiveSmallIntegerField(default=0)  # tries to ask the provider what it has billed
    recounts_left = models.PositiveSmallIntegerField(default=0)  # tries to have the upstream's tokenizer count it

    objects = CompletionQuerySet.as_manager()

    class Meta:
        verbose_name = _("completion")
        verbose_name_plural = _("completions")
        indexes = [
            models.Index(fields=["status", "created"], name="completion_queue"),
            models.Index(fields=["person"], name="completion_unsettled", condition=models.Q(settled=None)),
            models.Index(fields=["conversation", "status"], name="completion_in_conversation"),
            models.Index(fields=["lookups_left"], name="completion_lookups", condition=models.Q(lookups_left__gt=0)),
            models.Index(fields=["model", "settled"], name="completion_of_model"),
            models.Index(fields=["recounts_left"], name="completion_recounts", condition=models.Q(recounts_left__gt=0)),
        ]

    def __str__(self) -> str:
        return f"completion {self.pk}"

    @property
    def is_settled(self) -> bool:
        return self.status not in self.UNSETTLED

    @classmethod
    def claim(cls, pk: int, process: uuid.UUID) -> bool:
        """True for exactly one caller, when it is its turn. Call it in a transaction.

        The first attempt counts from here: one commit before the call, not two.
        """
        if cls.objects.get(pk=pk).turn() > 0:
            return False
        queued = cls.objects.filter(pk=pk, status=cls.Status.QUEUED, stopping="")
        return queued.update(status=cls.Status.LIVE, process=process, attempts=1) == 1

    def turn(self) -> int:
        """How many streams of its provider must end or begin before this one may begin; 0: it may.

        In a transaction, the provider's row is locked: two claims do not take the same place.
        """
        provider = LanguageModel.objects.get(pk=self.model_id).provider
        if provider.max_streams is None:
            return 0
        if transaction.get_connection().in_atomic_block:
            type(provider).objects.select_for_update().get(pk=provider.pk)
        turns, if_it_were_first = self.turns_at(provider)
        return turns.get(self.pk, if_it_were_first)

    @classmethod
    def turns_at(cls, provider: Provider) -> tuple[dict[int, int], int]:
        """Of all that are queued at a provider that allows few streams, and of one that had nobody before it.

        Oldest first, but who has fewer streams there comes before who has more.
        """
        there = cls.objects.filter(model__provider=provider)
        live = there.filter(status=cls.Status.LIVE)
        streams = live.filter(person=models.OuterRef("person")).order_by().values("person")
        of_person = streams.annotate(streams=models.Count("pk")).values("streams")
        waiting = there.filter(status=cls.Status.QUEUED).annotate(
            streams=functions.Coalesce(models.Subquery(of_person), 0)
        )
        order = waiting.order_by("streams", "pk").values_list("pk", flat=True)
        first = live.count() + 1 - provider.max_streams
        return {pk: max(first + ahead, 0) for ahead, pk in enumerate(order)}, max(first, 0)

    @classmethod
    def begin_attempt(cls, pk: int) -> None:
        """Committed before each further call, so that no call is without its row."""
        cls.objects.filter(pk=pk).update(attempts=models.F("attempts") + 1)

    @classmethod
    def ask_to_stop(cls, pk: int, reason: str) -> None:
        cls.objects.unsettled().filter(pk=pk, stopping="").update(stopping=reason)

    def note_prompt(
        self, own: int, tokens: int, low: int, high: int, *, left_out: int, images: int = 0, files_left_out: int = 0
    ) -> None:
        """What its prompt is estimated at: kept before the call, since a process that dies can no longer say."""
        self.left_out, self.images, self.files_left_out = left_out, images, files_left_out
        self.own_input_tokens, self.input_tokens = own, tokens
        self.input_low, self.input_high = low, high
        prompt = ["own_input_tokens", "input_tokens", "input_low", "input_high"]
        self.save(update_fields=[*prompt, "left_out", "images", "files_left_out"])

    @classmethod
    def note_estimate(cls, pk: int, tokens: int, low: int, high: int) -> None:
        """The partial's estimated tokens, while it is still live: written when its person leaves."""
        live = cls.objects.filter(pk=pk, status=cls.Status.LIVE)
        live.update(output_tokens=tokens, output_low=low, output_high=high)

    def transcript_so_far(self) -> Transcript:
        """What is saved of it while it is not settled."""
        contents = self.segments.order_by("number").values_list("content", flat=True)
        return Transcript.rebuild(self.n, map(orjson.loads, contents))

    def end(self, status: str, reason: str, *, ends: tuple[str, ...] = UNSETTLED, **outcome) -> bool:
        """Writes the outcome if the status is still one of `ends`. The first reason to end wins."""
        unsettled = type(self).objects.filter(pk=self.pk, status__in=ends)
        return unsettled.update(status=status, reason=reason, settled=timezone.now(), **outcome) == 1


class Segment(models.Model):
    """What is new in a live completion's transcript since the segment before. Gone when it is settled."""

    completion = models.ForeignKey(Completion, on_delete=models.CASCADE, related_name="segments")
    number = models.PositiveIntegerField()
    content = models.TextField()  # transcript.cut_segment, as JSON
    output_tokens = models.PositiveIntegerField()  # the running estimate of the whole transcript
    is_thinking = models.BooleanField(default=False)  # until here, nothing but thoughts has come
    saved = models.DateTimeField(default=timezone.now)  # by this machine's clock: for who watches, nothing goes by it

    class Meta:
        constraints = [models.UniqueConstraint(fields=["completion", "number"], name="segment_number_once")]

"""Fills a database with an archive: conversations of one person, half of them Chinese, over three years.

python -m benchmarks.filling PERSON CONVERSATIONS MESSAGES    with CHAT_DATA or DATABASE_URL; PERSON is a username

All by bulk inserts; what is searched goes through the index's own function.
"""

import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
django.setup()

from django.core.management.color import no_style  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from benchmarks.texts import END, SPAN, Writer  # noqa: E402
from chat import index  # noqa: E402
from chat.models import Account, Completion, Conversation, Folder, LanguageModel, Message, Person, Tag  # noqa: E402

BATCH = 2000  # messages
FOLDERS, TAGS = 12, 20
ENDS = ["complete"] * 17 + ["stopped", "cut", "abandoned"]


class Archive:
    """Of a person: made in the order of time, from the first to the last message."""

    def __init__(self, person: Person, conversations: int, messages: int) -> None:
        self.person, self.account = person, Account.of(person)
        self.number, self.length = conversations, messages // conversations
        self.model = LanguageModel.objects.order_by("pk").first()
        self.writer = Writer()
        self.next_message = (Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
        self.next_completion = (Completion.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
        self.folders = Folder.objects.bulk_create(Folder(person=person, name=f"Folder {n}") for n in range(FOLDERS))
        self.tags = Tag.objects.bulk_create(Tag(person=person, name=f"tag-{n}") for n in range(TAGS))

    def fill(self) -> None:
        at_once = max(BATCH // self.length, 1)
        for first in range(0, self.number, at_once):
            numbers = range(first, min(first + at_once, self.number))
            with transaction.atomic():
                self._write(list(map(self._conversation, numbers)))
            if sys.stderr.isatty():
                print(f"\r{numbers[-1] + 1} of {self.number} conversations ", end="", file=sys.stderr, flush=True)
        self._keep_counting()

    def _write(self, made: list[tuple[Conversation, list[Completion], list[Message]]]) -> None:
        Conversation.objects.bulk_create([conversation for conversation, _, _ in made])
        Completion.objects.bulk_create([each for _, completions, _ in made for each in completions])
        messages = Message.objects.bulk_create([each for _, _, messages in made for each in messages])
        for conversation, _, messages_of_it in made:
            conversation.leaf = messages_of_it[-1]
        Conversation.objects.bulk_update([conversation for conversation, _, _ in made], ["leaf"])
        tagged = [conversation for number, (conversation, _, _) in enumerate(made) if number % 5 == 0]
        Conversation.tags.through.objects.bulk_create(
            Conversation.tags.through(conversation=each, tag=self.tags[each.pk.int % TAGS]) for each in tagged
        )
        index.put(messages)

    def _conversation(self, number: int) -> tuple[Conversation, list[Completion], list[Message]]:
        began = END - SPAN * (1 - number / self.number)
        chinese = number % 2 == 1
        conversation = Conversation(
            pk=UUID(int=(0xA << 124) + number * 0x9E3779B97F4A7C15),
            person=self.person,
            title=self.writer.title(number, chinese),
            model=self.model,
            created=began,
            active=began + timedelta(minutes=self.length),
            folder=self.folders[number % FOLDERS] if number % 3 == 0 else None,
            pinned=number % (self.number // 5 or 1) == 7,
            archived=number % 10 == 9,
        )
        completions: list[Completion] = []
        messages = list(self._thread(conversation, number, chinese, completions))
        return conversation, completions, messages

    def _thread(
        self, conversation: Conversation, number: int, chinese: bool, completions: list[Completion]
    ) -> Iterator[Message]:
        for place in range(self.length):
            own = number * self.length + place
            reply = place % 2 == 1
            if reply:
                completions.append(self._completion(conversation, own))
            yield Message(
                pk=self.next_message,
                conversation=conversation,
                parent_id=self.next_message - 1 if place else None,
                role=Message.Role.ASSISTANT if reply else Message.Role.USER,
                text=self.writer.reply(own, chinese) if reply else self.writer.question(own, chinese),
                completion=completions[-1] if reply else None,
                finish_reason="stop" if reply else "",
                created=conversation.created + timedelta(minutes=place),
            )
            self.next_message += 1

    def _completion(self, conversation: Conversation, own: int) -> Completion:
        self.next_completion += 1
        return Completion(
            pk=self.next_completion - 1,
            account=self.account,
            person=self.person,
            conversation=conversation,
            model=self.model,
            max_output=4096,
            status=ENDS[own // 2 % len(ENDS)],
            reason="person" if ENDS[own // 2 % len(ENDS)] == "stopped" else "",
            attempts=1,
            settled=conversation.created,
            first_delta_ms=400,
            duration_ms=9000,
            usage_source=Completion.Source.REPORTED,
            **dict.fromkeys(("input_tokens", "input_low", "input_high"), 900),
            **dict.fromkeys(("output_tokens", "output_low", "output_high"), 180),
        )

    def _keep_counting(self) -> None:
        """Ids were given by us: PostgreSQL's sequences do not know."""
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), [Message, Completion]):
                cursor.execute(statement)
            if connection.vendor == "postgresql":  # which does it by itself, sooner or later
                cursor.execute("ANALYZE")


if __name__ == "__main__":
    name, conversations, messages = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    Archive(Person.objects.get(username=name), conversations, messages).fill()

"""Makes one conversation with a long thread, straight in the database: half of it replies with all that replies have.

python -m benchmarks.long_thread MESSAGES [USERNAME]    with CHAT_DATA; prints its id
"""

import os
import sys
import zlib

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
django.setup()

from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from chat.models import Account, Completion, Conversation, LanguageModel, Message, Person  # noqa: E402
from chat.transcript import Transcript  # noqa: E402
from chat.upstream.contract import Delta  # noqa: E402

QUESTION = "How does step {n} follow from the one before, and what would change if $r > 1/2$? 请用一句话回答。"
ANSWER = """Step {n} is the **discrete** form of the same equation: each value is a weighted mean of its neighbours.

1. The weights are $r$, $1 - 2r$ and $r$; they add up to one.
2. As long as all are positive, nothing can grow. 所以当 $r \\le 1/2$ 时格式是稳定的。

```python
def step(u, r={n}):
    return u[1:-1] + r * (u[2:] - 2 * u[1:-1] + u[:-2])
```

| r | largest value after {n} steps |
|---|--:|
| 0.25 | 0.98 |
| 0.75 | 1.4e{n} |

So it is `r`, and nothing else, that decides; see [the notes](https://example.org/notes/{n}) for the proof.
"""


def arrivals_of(text: str) -> bytes:
    transcript = Transcript()
    for start in range(0, len(text), 5):
        transcript.fold([Delta(0, text[start : start + 5])], 0.4 + start / 200)
    return zlib.compress(bytes(transcript.arrivals))


def long_thread(person: Person, count: int) -> Conversation:
    model = LanguageModel.objects.select_related("provider").first()
    now = timezone.now()
    conversation = Conversation.objects.create(person=person, title=f"{count} messages", model=model, active=now)
    message = None
    for n in range(1, count + 1):
        is_question = n % 2 == 1
        message = conversation.messages.create(
            parent=message,
            role=Message.Role.USER if is_question else Message.Role.ASSISTANT,
            text=(QUESTION if is_question else ANSWER).format(n=n),
            completion=None if is_question else completion_of(conversation, model, n),
            finish_reason="" if is_question else "stop",
        )
    conversation.leaf = message
    conversation.save()
    return conversation


def completion_of(conversation: Conversation, model: LanguageModel, n: int) -> Completion:
    return Completion.objects.create(
        account=Account.of(conversation.person),
        person=conversation.person,
        conversation=conversation,
        model=model,
        max_output=4096,
        status=Completion.Status.COMPLETE,
        settled=timezone.now(),
        attempts=1,
        first_delta_ms=400,
        duration_ms=4_400,
        usage_source=Completion.Source.REPORTED,
        **dict.fromkeys(("input_tokens", "input_low", "input_high"), 100 * n),
        **dict.fromkeys(("output_tokens", "output_low", "output_high"), 180),
        arrivals=arrivals_of(ANSWER.format(n=n)),
    )


if __name__ == "__main__":
    name = sys.argv[2] if len(sys.argv) > 2 else "person-0"
    with transaction.atomic():
        print(long_thread(Person.objects.get(username=name), int(sys.argv[1])).pk)

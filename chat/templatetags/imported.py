"""The quiet line of a reply that was made elsewhere: whose it is, how it ended, what was told. Counted nowhere."""

from django import template
from django.utils.translation import gettext as _

from chat.models import Completion, Message
from chat.templatetags.money import grouped
from chat.templatetags.quiet_line import Fact

register = template.Library()

WHOLE = ("", Completion.Status.COMPLETE)
STATUSES = dict(Completion.Status.choices)


@register.simple_tag
def name_of(message: Message) -> str:
    """Who speaks: a model by its short name, wherever it was asked."""
    if message.role == Message.Role.USER:
        return _("You")
    if message.role == Message.Role.SYSTEM:
        return _("System")
    if message.completion:
        return message.completion.model.short_name
    return _told(message, "model").rsplit("/", 1)[-1] or _("unknown model")


@register.simple_tag
def imported_facts(message: Message) -> list[Fact]:
    facts = [Fact(_("imported from %(place)s") % {"place": _told(message, "from") or _("elsewhere")})]
    if message.role != Message.Role.ASSISTANT:
        return facts
    facts.insert(0, Fact(name_of(message), source=_told(message, "model")))
    if (status := _told(message, "status")) not in WHOLE:
        facts.append(Fact(str(STATUSES.get(status, status))))
    return facts + _tokens(message)


def _tokens(message: Message) -> list[Fact]:
    usage = (message.imported or {}).get("usage")
    found = [usage.get(name) for name in ("input_tokens", "output_tokens")] if isinstance(usage, dict) else []
    if not found or not all(isinstance(number, int) for number in found):
        return []
    words = _("%(input)s in, %(output)s out") % {"input": grouped(found[0]), "output": grouped(found[1])}
    return [Fact(words, source=_("As the export says. Imported messages are not counted here."))]


def _told(message: Message, name: str) -> str:
    told = (message.imported or {}).get(name)
    return told if isinstance(told, str) else ""

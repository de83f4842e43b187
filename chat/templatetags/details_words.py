"""What the details of a reply say: words for its end, its tokens, and times with as many places as tell something."""

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat.models import Completion
from chat.templatetags.endings import Ending, tokens

register = template.Library()

Source = Completion.Source
KINDS = {
    "input": gettext_lazy("Input"),
    "cached": gettext_lazy("of it cached"),
    "output": gettext_lazy("Output"),
    "reasoning": gettext_lazy("of it reasoning"),
}
SOURCES = {
    Source.REPORTED: gettext_lazy("The provider reported these figures with the reply."),
    Source.LOOKED_UP: gettext_lazy("The provider told these figures when it was asked for what it has billed."),
    Source.RECONCILED: gettext_lazy(
        "The reply ended without figures. This is its share of what the provider has billed of that day and model."
    ),
    Source.COUNTED: gettext_lazy(
        "The reply ended without figures. The provider’s own tokenizer counted it afterwards."
    ),
    Source.ESTIMATED: gettext_lazy(
        "The reply ended without figures. These are our own estimates, and how far they may be off."
    ),
    Source.NOT_SENT: gettext_lazy("Nothing was sent to the provider, so nothing was used."),
}


@register.simple_tag
def whole_or(ending: Ending | None, completion: Completion) -> Ending:
    """A proper end has no badge on the page; here it has one, too."""
    if ending:
        return ending
    if not completion.is_settled:
        return Ending(_("Still arriving"), _("Its figures stand here once it has ended."), "clock")
    return Ending(_("Complete"), _("The answer is whole: the provider ended it, and confirmed the end."), "check")


@register.filter
def kind_words(kind: str) -> str:
    return str(KINDS[kind])


@register.simple_tag
def source_sentence(completion: Completion) -> str:
    return str(SOURCES.get(completion.usage_source, ""))


@register.simple_tag
def tokens_of(number: int) -> str:
    return tokens(number)


@register.simple_tag
def seconds(figure: float) -> str:
    """0.84 s, 14.2 s, 312 s."""
    places = 2 if figure < 10 else 1 if figure < 100 else 0
    return _("%(seconds)s s") % {"seconds": number_format(figure, decimal_pos=places)}


@register.simple_tag
def milliseconds(figure: int) -> str:
    return seconds(figure / 1000)


@register.simple_tag
def rate(figure: float) -> str:
    places = 1 if figure < 10 else 0
    return _("%(tokens)s tokens/s") % {"tokens": number_format(figure, decimal_pos=places)}


@register.simple_tag
def clock(figure: float) -> str:
    """A moment of the reply."""
    return number_format(figure, decimal_pos=1)

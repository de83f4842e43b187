"""What the page socket says, as JSON: a watcher's news, with the words of the page's language."""

from django.utils import translation
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.live.watching import Frame, Line, News, Settled


def encode(completion: int, news: News, language: str) -> list[dict]:
    """One message for each article that the news is about."""
    match news:
        case Frame(message, part, ops):
            return [{"type": "frame", "completion": completion, "message": message, "part": part, "ops": ops}]
        case Settled(messages):
            return [{"type": "settled", "completion": completion, "messages": messages}]
        case Line():
            status = "queued" if news.state == "queued" else "live"
            line = {"type": "line", "completion": completion, "status": status, "html": line_html(news, language)}
            return [{**line, "message": message} for message in news.messages]


def line_html(line: Line, language: str) -> str:
    with translation.override(language):
        facts = [format_html('<span class="with"><span class="dot live"></span>{}</span>', state_words(line))]
        if line.input_tokens:
            facts.append(_("≈ %(tokens)s in") % {"tokens": number_format(line.input_tokens, force_grouping=True)})
        if line.output[0]:
            tokens, low, high = line.output
            figures = {
                "tokens": number_format(tokens, force_grouping=True),
                "bound": number_format(max(high - tokens, tokens - low), force_grouping=True),
            }
            facts.append(format_html('<span class="key est">{}</span>', _("≈ %(tokens)s ± %(bound)s out") % figures))
        return format_html_join("", "<li>{}</li>", ((fact,) for fact in facts))


def state_words(line: Line) -> str:
    """What the reader waits for."""
    seconds = line.seconds
    match line.state:
        case "queued":
            return _("queued at the provider, place %d") % line.place if line.place else _("queued")
        case "retrying":
            return ngettext("waiting for the provider, %d s", "waiting for the provider, %d s", seconds) % seconds
        case "waiting":
            return _("waiting for the first word, %d s") % seconds if seconds >= 2 else _("sent")
        case "thinking":
            return _("thinking %d s") % seconds
        case "silent":
            return _("no data for %d s") % seconds
        case _:
            return _("arriving, %d tokens/s") % round(line.rate) if line.rate else _("arriving")

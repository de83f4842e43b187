"""Why a provider did not answer, in words."""

from django import template
from django.utils.translation import gettext_lazy

from chat.connecting import host_of
from chat.models import Provider
from chat.upstream.contract import Failure

register = template.Library()

# By the code that the client gives, else by the kind of the error.
OURS = {
    "local_address": gettext_lazy(
        "%(where)s is an address in a private network. Tick “on this machine or network” if that is meant."
    ),
    "never_address": gettext_lazy(
        "%(where)s is an address where no provider can be: link-local, multicast, or one that tells machines secrets."
    ),
    "no_address": gettext_lazy("%(where)s is not an http or https address."),
    "unknown_name": gettext_lazy("The name of %(where)s is not known. Is it spelled correctly?"),
    "untrusted": gettext_lazy("The certificate of %(where)s is not trusted."),
    "no_tls": gettext_lazy("%(where)s does not speak TLS. Is it http instead of https?"),
    "nothing_listens": gettext_lazy("Nothing listens at %(where)s. Is the server running, and the port right?"),
    "late": gettext_lazy("%(where)s did not answer in time."),
    "broken_off": gettext_lazy("%(where)s broke off the connection."),
    "closed": gettext_lazy("%(where)s closed the connection without an answer. Is it https instead of http?"),
    "no_http": gettext_lazy("%(where)s does not speak HTTP."),
    "redirected": gettext_lazy(
        "%(where)s redirects to “%(said)s”, and redirects are not followed. Is the base URL right?"
    ),
    "no_json": gettext_lazy(
        "%(where)s answers, but not as an API does: with a web page, perhaps. Is the path of the base URL right?"
    ),
    "no_models": gettext_lazy("%(where)s answers, but lists no models. If it has no list, type a model’s name."),
    "ended_by_error": gettext_lazy("%(where)s ended the answer with an error: “%(said)s”"),
    "would_be_cut": gettext_lazy(
        "It was not sent: %(where)s would leave out the beginning of the conversation without a word."
    ),
    "key_lost": gettext_lazy("The stored key cannot be read any more. Paste it again."),
    "key_unsendable": gettext_lazy("The key contains characters that no key has. Paste it again."),
}
KINDS = {
    "auth": gettext_lazy("%(where)s refuses the key: “%(said)s”"),
    "quota": gettext_lazy("%(where)s says that the account is out of money or quota: “%(said)s”"),
    "rate_limited": gettext_lazy("%(where)s asks for a pause: “%(said)s”"),
    "unreachable": gettext_lazy("%(where)s cannot be reached: “%(said)s”"),
}
OTHERWISE = gettext_lazy("%(where)s answers with an error: “%(said)s” Is the path of the base URL right?")


def trouble(failure: Failure, base_url: str) -> str:
    """Ours in the page's language, theirs as they said it."""
    sentence = OURS.get(str(failure.code)) or KINDS.get(failure.kind, OTHERWISE)
    return str(sentence) % {"where": host_of(base_url) or base_url, "said": failure.message}


def own_trouble(code: str, said: str, base_url: str) -> str:
    """The same of a completion's error, if the sentence is ours; else nothing: they are to be quoted."""
    return str(OURS[code]) % {"where": host_of(base_url), "said": said} if code in OURS else ""


@register.filter
def trouble_of(provider: Provider) -> str:
    """What went wrong last, or nothing."""
    if provider.last_failure is None:
        return provider.trouble
    return trouble(provider.last_failure, provider.base_url)

"""Tells alerts by e-mail and webhook, beside everything else: each try is claimed before it is made.

A webhook's call is JSON, signed as standardwebhooks.com describes: `webhook-signature` is v1 and the HMAC-SHA256 of
`id.timestamp.body`, in base64, by the secret after `whsec_`.
"""

import base64
import hashlib
import hmac
from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from smtplib import SMTPException
from time import time
from uuid import UUID

import orjson
from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat import alerting
from chat.models import Alert, AlertSettings, Chore, Delivery
from chat.models.alert import due_now
from chat.steps import Act, Question
from chat.templatetags.alert_words import alert_address, alert_sentence, alert_title
from chat.templatetags.troubles import trouble
from chat.upstream import client

ALERT = "alert"
EVERY = timedelta(seconds=30)
MOST = 50  # deliveries at a time


@dataclass(frozen=True, slots=True)
class Told:
    """How telling went: to whom, and what went wrong, or nothing."""

    to: str
    trouble: str


def tell(process: UUID) -> Iterator[Act | None]:
    """What there is to be told, and then what is to be sent of it."""
    yield (mine := Question(partial(Chore.take, ALERT, EVERY)))
    if mine.answer:
        found = list(alerting.causes(timezone.now()))
        for cause in alerting.untold(found):
            yield cause.give
        yield partial(alerting.end_all_but, [cause.key for cause in found])
        yield Alert.forget_old
    yield from _deliver(due_now(MOST))


def _deliver(due: list[Delivery]) -> Iterator[Act | None]:
    """E-mails to one address go together: ten causes at once are one letter.

    Each is claimed just before it is tried: a webhook that is slow to answer, fifty times, would outlast the claims.
    """
    letters: defaultdict[str, list[Delivery]] = defaultdict(list)
    for delivery in due:
        if delivery.way == Delivery.Way.EMAIL:
            letters[delivery.address].append(delivery)
    for address, deliveries in letters.items():
        if mine := (yield from _claimed(deliveries)):
            yield partial(_note, mine, _write(address, [delivery.alert for delivery in mine]))
    for delivery in due:
        if delivery.way == Delivery.Way.WEBHOOK and (yield from _claimed([delivery])):
            yield partial(_note, [delivery], _call(AlertSettings.current(), delivery.alert))


def _note(tried: list[Delivery], said: str) -> None:
    for delivery in tried:
        delivery.note(said)


def _claimed(deliveries: list[Delivery]) -> Generator[Act | None, None, list[Delivery]]:
    """Those that are this process's to try."""
    mine = []
    for delivery in deliveries:
        yield (claim := Question(partial(Delivery.claim, delivery.pk, delivery.tries)))
        if claim.answer:
            mine.append(delivery)
    return mine


def send_test(wanted: AlertSettings) -> list[Told]:
    """To everybody who is set, at once."""
    test = Alert(pk=0, kind=Alert.Kind.BOOKS, key="test", facts={"off": 0, "test": True}, created=timezone.now())
    told = [Told(address, _write(address, [test], is_test=True)) for address in wanted.addresses]
    if wanted.webhook_url:
        told.append(Told(wanted.webhook_url, _call(wanted, test, is_test=True)))
    return told


# By e-mail


def _write(address: str, alerts: list[Alert], *, is_test: bool = False) -> str:
    """What went wrong, or nothing."""
    if not settings.EMAIL_HOST and settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"):
        return _("No mail server is set: EMAIL_HOST is empty.")
    with translation.override(_language_of(address, alerts)):
        letter = EmailMessage(
            _subject(alerts, is_test), _body(alerts, is_test), to=[address], headers={"Message-ID": _number(alerts)}
        )
    try:
        letter.send()
    except (SMTPException, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _subject(alerts: list[Alert], is_test: bool) -> str:
    if is_test:
        title = _("A test of alerts")
    elif len(alerts) == 1:
        title = alert_title(alerts[0])
    else:
        title = ngettext("%(n)d alert", "%(n)d alerts", len(alerts)) % {"n": len(alerts)}
    return " ".join(f"[{settings.SITE_NAME}] {title}".split())


def _body(alerts: list[Alert], is_test: bool) -> str:
    if is_test:
        return _("This is a test. Alerts of this site reach you here.")
    parts = [f"{alert_title(alert)}\n{alert_sentence(alert)}\n{_link(alert)}".rstrip() for alert in alerts]
    return "\n\n".join(parts) + "\n"


def _language_of(address: str, alerts: list[Alert]) -> str:
    """Theirs, if it is about their own budget."""
    person = alerts[0].account.person if alerts[0].account else None
    return person.language if person and person.email == address and person.language else settings.LANGUAGE_CODE


def _number(alerts: list[Alert]) -> str:
    """The same, should it be sent twice."""
    domain = settings.SITE_URL.partition("://")[2].partition(":")[0] or "localhost"
    which = hashlib.sha256(" ".join(str(alert.pk) for alert in alerts).encode()).hexdigest()[:16]
    return f"<alert-{which}-{int(alerts[0].created.timestamp())}@{domain}>"


def _link(alert: Alert) -> str:
    return f"{settings.SITE_URL}{alert_address(alert)}" if settings.SITE_URL else ""


# By webhook


def _call(wanted: AlertSettings, alert: Alert, *, is_test: bool = False) -> str:
    """What went wrong, or nothing."""
    if not wanted.webhook_url:
        return _("No webhook is set any more.")
    if not wanted.secret:
        return _("The webhook has no secret, or it cannot be read any more. Make a new one.")
    body = orjson.dumps(_told(alert, is_test))
    number, now = f"alert_{alert.pk}", int(time())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": number,
        "webhook-timestamp": str(now),
        "webhook-signature": signature(wanted.secret, number, now, body),
    }
    try:
        status = client.post(wanted.webhook_url, headers, body, local=wanted.webhook_local)
    except client.UpstreamError as error:
        return trouble(error.failure, wanted.webhook_url)
    return "" if 200 <= status < 300 else _("It answered with status %(status)d.") % {"status": status}


def signature(secret: str, number: str, timestamp: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{number}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def _told(alert: Alert, is_test: bool) -> dict[str, object]:
    """In English; `facts` are what the sentences are made of."""
    if is_test:
        return {"type": "test", "timestamp": alert.created.isoformat(), "data": {}}
    with translation.override("en"):
        data = {"id": alert.pk, "title": alert_title(alert), "text": alert_sentence(alert), "url": _link(alert)}
    return {
        "type": f"alert.{alert.kind}",
        "timestamp": alert.created.isoformat(),
        "data": data | {"facts": alert.facts},
    }

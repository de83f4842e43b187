"""Connects providers: makes the row and lists the models.

From the environment, from a server nearby, by what an administrator typed, or the demo.
"""

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction

from chat.models import AuditEntry, Completion, LanguageModel, Person, Price, Provider
from chat.models.money import FREE
from chat.price_setting import price_new, take_listed
from chat.upstream import client
from chat.upstream.contract import Endpoint, Failure, ListedModel
from chat.upstream.payloads import name_in
from chat.upstream.profiles import PROFILES, Profile

logger = logging.getLogger(__name__)

LARGEST_WINDOW = 2**31

DEMO = "demo"  # the profile, and the model's name (upstream.demo.MODEL)


@dataclass(frozen=True, slots=True)
class Nearby:
    """A server on this machine that answers on a well-known port, and what it serves."""

    profile: str
    label: str
    base_url: str
    models: list[str]


def connect_environment() -> None:
    """Makes a provider of each profile whose key or base URL the environment gives, and lists its models.

    Run at each start: what exists is left as it is, new models are added.
    """
    for name, profile in PROFILES.items():
        key_set = bool(profile.key_variable and os.environ.get(profile.key_variable))
        url = os.environ.get(profile.url_variable, "") if profile.url_variable else ""
        if key_set or url:
            address = url.rstrip("/") or profile.base_url
            list_models(_provider(_spoken_at(address, name), address, profile.key_variable))


def _spoken_at(address: str, name: str) -> str:
    """The profile to assume. OPENAI_BASE_URL may name any server that speaks so: a known host's, or the default."""
    if name != "openai" or address == PROFILES[name].base_url:
        return name
    speakers = {known: profile for known, profile in PROFILES.items() if profile.dialect == "openai_chat"}
    there = [known for known, profile in speakers.items() if host_of(profile.base_url) == host_of(address)]
    return there[0] if len(there) == 1 else "default"  # several listen at port 8000


def host_of(base_url: str) -> str:
    """With its port."""
    return urlsplit(base_url).netloc


def connect_demo() -> None:
    if settings.DEMO:
        provider, is_new = Provider.objects.get_or_create(
            profile=DEMO, defaults={"name": PROFILES[DEMO].label, "base_url": "http://127.0.0.1/v1", "local": True}
        )
        if is_new:
            AuditEntry.record(None, "provider connected", provider, after={"profile": DEMO, "price": FREE})
        demo, _ = LanguageModel.objects.get_or_create(provider=provider, name=DEMO)
        Price.objects.get_or_create(model=demo, currency=FREE, defaults={"input_mtok": 0, "output_mtok": 0})
    else:
        for provider in Provider.objects.filter(profile=DEMO, enabled=True):
            Provider.objects.filter(pk=provider.pk).update(enabled=False)
            AuditEntry.record(None, "provider changed", provider, before={"enabled": True}, after={"enabled": False})


def nearby() -> list[Nearby]:
    """What answers on the well-known ports of this machine and is not connected yet."""
    known = set(Provider.objects.values_list("base_url", flat=True))
    found = []
    for name, profile in PROFILES.items():
        url = f"http://127.0.0.1:{profile.local_port}/v1"
        if not profile.local_port or profile.local_port == settings.PORT or url in known:
            continue
        if (models := client.listening(url)) is not None:
            found.append(Nearby(name, profile.label, url, [model.id for model in models]))
    return found


def connect_nearby(by: Person, profile: str) -> Provider | None:
    """Connects one of `nearby`; None if it does not answer any more."""
    found = next((server for server in nearby() if server.profile == profile), None)
    if found is None:
        return None
    provider = _provider(profile, found.base_url, key_variable="", by=by)
    list_models(provider, by)
    return provider


def equip(by: Person, provider: Provider, key: str, listed: list[ListedModel]) -> None:
    """Gives a new provider, which is saved, its key and its models. Outside any transaction, as `keep_key` is."""
    if key:
        provider.keep_key(key)
    _add_models(provider, listed, by)


def listed_by(provider: Provider, key: str, names: list[str]) -> list[ListedModel]:
    """What a provider offers that is not saved yet. Raises UpstreamError.

    `names` of models are those of a provider that has no list: then it is enough that it answers.
    """
    endpoint = Endpoint(provider.base_url, provider.profile, key, local=provider.local)
    try:
        listed = client.list_models(endpoint)
    except client.UpstreamError as error:
        if not names or error.failure.kind in ("auth", "unreachable"):
            raise
        listed = []
    if not listed and not names:
        raise client.UpstreamError(client.no_models(endpoint))
    known = {model.id for model in listed}
    return listed + [ListedModel(name) for name in names if name not in known]


def remove(provider: Provider) -> bool:
    """True if it is gone. What replies name, or the next start would bring back, is only disabled; its key is gone."""
    in_use = Completion.objects.filter(model__provider=provider).exists()
    if not (in_use or provider.key_variable or provider.profile == DEMO):
        with suppress(IntegrityError), transaction.atomic():  # it is asked for something at this very moment
            Price.objects.filter(model__provider=provider).delete()
            provider.models.all().delete()
            Provider.objects.filter(pk=provider.pk).delete()
            return True
    provider.keep_key("")
    provider.enabled = False
    provider.save(update_fields=["enabled"])
    return False


def list_models(provider: Provider, by: Person | None = None) -> Failure | None:
    """Adds what the provider lists. Its trouble is kept on the row, and a later start tries again."""
    try:
        listed = client.list_models(provider.endpoint)
    except client.UpstreamError as error:
        provider.note_failure(error.failure)
        logger.warning("%s: cannot list models: %s", provider, provider.trouble)
        return error.failure
    provider.note_failure(None)
    _add_models(provider, listed, by)
    return None


def add_model(by: Person, provider: Provider, name: str) -> bool:
    """Of a provider that does not list it; False if that is no name."""
    if not name_in(name):
        return False
    _add_models(provider, [ListedModel(name_in(name))], by)
    return True


@transaction.atomic
def _add_models(provider: Provider, listed: list[ListedModel], by: Person | None) -> None:
    known = dict(provider.models.values_list("name", "sees"))
    for model in listed:
        if model.sees is not None and model.id in known and known[model.id] is None:
            provider.models.filter(name=model.id, sees=None).update(sees=model.sees)
    fresh = {model.id: model for model in listed if model.id not in known}
    added = LanguageModel.objects.bulk_create(
        LanguageModel(provider=provider, name=name, context_length=_sensible(model.context_length), sees=model.sees)
        for name, model in fresh.items()
    )
    if added:
        AuditEntry.record(by, "models added", provider, after={"models": len(added)})
    price_new(by, provider, added, listed)


def take_listed_prices(by: Person, provider: Provider) -> int:
    """Those that differ from the prices that hold: how many. Raises UpstreamError."""
    return take_listed(by, provider, client.list_models(provider.endpoint))


def _sensible(context_length: int | None) -> int | None:
    return context_length if context_length and 0 < context_length < LARGEST_WINDOW else None


@transaction.atomic
def _provider(profile: str, base_url: str, key_variable: str, by: Person | None = None) -> Provider:
    """The one that is there, as far as possible with that key; else a new one."""
    there = Provider.objects.filter(base_url=base_url, profile=profile).order_by("pk")
    found = there.filter(key_variable=key_variable).first() or there.first()
    if found:
        return found
    made = Provider.objects.create(
        name=free_name(profile, base_url),
        profile=profile,
        base_url=base_url,
        key_variable=key_variable,
        local=True,
        max_streams=PROFILES[profile].streams_at_once,
    )
    known = {"profile": profile, "base_url": base_url, "key_variable": key_variable}
    AuditEntry.record(by, "provider connected", made, after=known)
    return made


def is_nearby(facts: Profile) -> bool:
    """Whether it is mostly a server of one's own."""
    return facts.base_url.startswith("http://127.0.0.1")


def free_name(profile: str, base_url: str) -> str:
    """It says where it is, when it is not where the profile says, and which it is, when there are several."""
    facts = PROFILES[profile]
    name = facts.label if base_url == facts.base_url else f"{facts.label} ({host_of(base_url)})"
    taken = set(Provider.objects.values_list("name", flat=True))
    names = (f"{name[:74]} {number}" if number > 1 else name[:80] for number in count(1))
    return next(name for name in names if name not in taken)

"""Who serves models, and what a person picks."""

import os
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from chat.models.sealing import CannotUnseal, resealed, seal, unseal
from chat.upstream import demo
from chat.upstream.contract import Endpoint, Failure
from chat.upstream.profiles import Profile, can_continue, profile
from chat.upstream.seeing import known_to_see

ENDING = 4  # characters of a key that are shown
LONG_KEY = 12  # of a shorter one, none


def check_base_url(base_url: str) -> None:
    """Django's own check refuses names without a dot, which networks are full of."""
    try:
        parts = urlsplit(base_url.strip())
        parts.port  # noqa: B018 - raises ValueError if it is none
        (parts.hostname or "").encode("idna")
    except ValueError:
        raise ValidationError(_("This is not an address.")) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValidationError(_("A base URL begins with http:// or https://, and a host follows."))
    if "@" in parts.netloc:
        raise ValidationError(_("A key in the address would be shown. Put it into its own field."))


class Provider(models.Model):
    """Who serves models: a base URL and how it speaks.

    Its key was pasted, and is sealed here, or is in the environment, under `key_variable`.
    """

    name = models.CharField(_("name"), max_length=80, unique=True)
    profile = models.CharField(_("profile"), max_length=40)
    base_url = models.CharField(_("base URL"), max_length=300, validators=[check_base_url])
    key_variable = models.CharField(_("key variable"), max_length=80, blank=True)
    sealed_key = models.TextField(blank=True, editable=False)
    key_ending = models.CharField(_("end of the key"), max_length=4, blank=True, editable=False)
    local = models.BooleanField(
        _("on this machine or network"),
        default=False,
        help_text=_("Without it, addresses in private networks are refused."),
    )
    max_streams = models.PositiveSmallIntegerField(
        _("replies at once"),
        null=True,
        blank=True,
        help_text=_("How many replies the provider allows at the same time; others wait for their turn. Empty: any."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    trouble = models.CharField(_("last trouble"), max_length=300, blank=True)  # as it was said
    trouble_kind = models.CharField(max_length=20, blank=True, editable=False)
    trouble_code = models.CharField(max_length=40, blank=True, editable=False)

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")

    def __str__(self) -> str:
        return self.name

    @property
    def facts(self) -> Profile:
        return profile(self.profile)

    @property
    def endpoint(self) -> Endpoint:
        if self.profile == "demo":
            return demo.endpoint()  # each process has its own
        try:
            return Endpoint(self.base_url, self.profile, self._key(), local=self.local)
        except CannotUnseal:
            return Endpoint(self.base_url, self.profile, local=self.local, key_lost=True)

    @property
    def key_is_lost(self) -> bool:
        return self.endpoint.key_lost

    @property
    def last_failure(self) -> Failure | None:
        """What went wrong last, if it did."""
        return Failure(self.trouble_kind, self.trouble, self.trouble_code) if self.trouble_kind else None

    def note_failure(self, failure: Failure | None) -> None:
        self.trouble = failure.message[:300] if failure else ""
        self.trouble_kind = failure.kind if failure else ""
        self.trouble_code = str(failure.code or "")[:40] if failure else ""
        self.save(update_fields=["trouble", "trouble_kind", "trouble_code"])

    @sensitive_variables()
    def keep_key(self, key: str) -> None:
        """Seals a pasted key, or, empty, forgets the one that was. Of a saved row, outside any transaction.

        The keys that seal are read under the row's lock, so that `reseal` never misses a key sealed by an old one.
        """
        with transaction.atomic():
            Provider.objects.select_for_update().get(pk=self.pk)
            self.sealed_key = seal(key, self._place) if key else ""
            self.key_ending = key[-ENDING:] if len(key) >= LONG_KEY else ""
            self.save(update_fields=["sealed_key", "key_ending"])

    @classmethod
    def reseal(cls) -> tuple[int, list[str]]:
        """Seals all keys by the newest: how many, and the names of those whose key cannot be read."""
        done, lost = 0, []
        with transaction.atomic():
            for provider in cls.objects.select_for_update().exclude(sealed_key=""):
                try:
                    provider.sealed_key = resealed(provider.sealed_key)
                except CannotUnseal:
                    lost.append(provider.name)
                    continue
                provider.save(update_fields=["sealed_key"])
                done += 1
        return done, lost

    def _key(self) -> str:
        return unseal(self.sealed_key, self._place) if self.sealed_key else os.environ.get(self.key_variable, "")

    @property
    def _place(self) -> str:
        """What a key is sealed for: this row, and the server it was pasted for. It is never sent to another."""
        return f"provider {self.pk} at {server_of(self.base_url)}"


def server_of(base_url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(base_url.strip())
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


class LanguageModelQuerySet(models.QuerySet):
    def usable(self) -> "LanguageModelQuerySet":
        return self.filter(enabled=True, provider__enabled=True).select_related("provider")


class LanguageModel(models.Model):
    """What a person picks: a provider and its name for the model."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="models")
    name = models.CharField(_("name"), max_length=200)
    context_length = models.PositiveIntegerField(_("context length"), null=True, blank=True)
    max_output = models.PositiveIntegerField(_("longest answer, tokens"), default=4096)
    grace_seconds = models.PositiveIntegerField(
        _("grace"),
        default=60,
        null=True,
        blank=True,
        help_text=_("Seconds a reply goes on when its person has left; empty: until it is finished."),
    )
    streamed = models.BooleanField(_("streamed"), default=True)
    # As its provider lists it, or an administrator says; None: nobody has said, and its name may tell.
    sees = models.BooleanField(_("sees images"), null=True, blank=True)
    template = models.CharField(
        _("instruct template"),
        max_length=20,
        blank=True,
        help_text=_("Where the endpoint takes text only. Empty: by the model’s name."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)

    objects = LanguageModelQuerySet.as_manager()

    class Meta:
        verbose_name = _("language model")
        verbose_name_plural = _("language models")
        ordering = ["provider_id", "name"]
        constraints = [models.UniqueConstraint(fields=["provider", "name"], name="model_name_once_per_provider")]

    def __str__(self) -> str:
        return self.name

    @property
    def short_name(self) -> str:
        """What comes after the last slash: `kimi-k2` of `moonshotai/kimi-k2`."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def parameters(self) -> dict:
        """What its calls carry besides the prompt."""
        return {"template": self.template} if self.template else {}

    @property
    def can_see(self) -> bool:
        """Whether images may be sent to it: also a model that sees has servers that pass none on."""
        sees = known_to_see(self.name) if self.sees is None else self.sees
        return sees and self.provider.facts.takes_images

    @property
    def can_continue(self) -> bool:
        return can_continue(self.provider.facts, self.name)

"""Who serves models, and what a person picks."""

import os

from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.upstream import demo
from chat.upstream.contract import Endpoint
from chat.upstream.profiles import Profile, profile


class Provider(models.Model):
    """Who serves models: a base URL and how it speaks. The key stays in the environment, under `key_variable`."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    profile = models.CharField(_("profile"), max_length=40)
    base_url = models.URLField(_("base URL"), max_length=300)
    key_variable = models.CharField(_("key variable"), max_length=80, blank=True)
    max_streams = models.PositiveSmallIntegerField(
        _("streams at once"),
        null=True,
        blank=True,
        help_text=_("How many replies the provider allows at the same time; others wait for their turn. Empty: any."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    trouble = models.CharField(_("last trouble"), max_length=300, blank=True)

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
        return Endpoint(self.base_url, self.profile, os.environ.get(self.key_variable, ""))


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
    def can_continue(self) -> bool:
        return bool(self.provider.facts.continuation)

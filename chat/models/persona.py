"""What conversations begin with: a model, a system prompt, parameters."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.models.filing import NAME_LENGTH, FoldedField

SYSTEM_PROMPT_LENGTH = 20_000
MOST_PERSONAS = 40  # of one person


class PersonaQuerySet(models.QuerySet):
    def named(self) -> "PersonaQuerySet":
        return self.exclude(folded_name="").select_related("model__provider")


class Persona(models.Model):
    """One of a person's presets. The nameless one is what a conversation begins with when none is chosen.

    A conversation takes from it what it begins with: a later change reaches later conversations only.
    """

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="personas")
    name = models.CharField(_("name"), max_length=NAME_LENGTH, blank=True)
    folded_name = FoldedField(of="name", max_length=2 * NAME_LENGTH)
    model = models.ForeignKey("chat.LanguageModel", null=True, blank=True, on_delete=models.SET_NULL)
    system_prompt = models.TextField(_("system prompt"), max_length=SYSTEM_PROMPT_LENGTH, blank=True)
    parameters = models.JSONField(default=dict, blank=True)  # by the names of chat.parameters

    objects = PersonaQuerySet.as_manager()

    class Meta:
        verbose_name = _("persona")
        verbose_name_plural = _("personas")
        ordering = ["folded_name"]
        constraints = [models.UniqueConstraint(fields=["person", "folded_name"], name="persona_name_once")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def nameless(cls, person) -> "Persona":
        """That person's own; one that is not saved if they have never set any."""
        found = cls.objects.filter(person=person, folded_name="").select_related("model__provider").first()
        return found or cls(person=person)

"""Where people file their conversations: one folder for each, and tags. Also how a name is kept so that it is found."""

from collections.abc import Iterable

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.words import folded

NAME_LENGTH = 60


class FoldedField(models.CharField):
    """Another field of the same row, folded."""

    def __init__(self, of: str, **options) -> None:
        self.of = of
        super().__init__(**{"editable": False, "default": "", **options})

    def deconstruct(self) -> tuple:
        name, path, args, options = super().deconstruct()
        return name, path, args, {**options, "of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        # Folding may lengthen: one letter can stand for three.
        value = folded(getattr(model_instance, self.of))[: self.max_length]
        setattr(model_instance, self.attname, value)
        return value


class Folding(models.Model):
    """Writes what is folded with what it is folded from. Only a queryset's `update` passes it by."""

    class Meta:
        abstract = True

    def save(self, *args, update_fields: Iterable[str] | None = None, **options) -> None:
        if update_fields is not None:
            folded_fields = [field for field in self._meta.fields if isinstance(field, FoldedField)]
            update_fields = {*update_fields, *(field.name for field in folded_fields if field.of in update_fields)}
        super().save(*args, update_fields=update_fields, **options)


class Folder(Folding):
    """One of a person's folders. Its conversations outlive it."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="folders")
    name = models.CharField(_("name"), max_length=NAME_LENGTH)
    folded_name = FoldedField(of="name", max_length=2 * NAME_LENGTH)

    class Meta:
        verbose_name = _("folder")
        verbose_name_plural = _("folders")
        ordering = ["folded_name"]
        constraints = [models.UniqueConstraint(fields=["person", "folded_name"], name="folder_name_once")]

    def __str__(self) -> str:
        return self.name


class Tag(Folding):
    """A word that a person puts on conversations."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(_("name"), max_length=NAME_LENGTH)
    folded_name = FoldedField(of="name", max_length=2 * NAME_LENGTH)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["folded_name"]
        constraints = [models.UniqueConstraint(fields=["person", "folded_name"], name="tag_name_once")]

    def __str__(self) -> str:
        return self.name

"""How our estimates of tokens compare with what providers report."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.models.language_model import LanguageModel


class Calibration(models.Model):
    """Of one model's prompts or answers: its tokens for each of ours, as its last reported completions have shown.

    Nine in ten of them lie between `low` and `high`.
    """

    class Part(models.TextChoices):
        INPUT = "input", _("input")
        OUTPUT = "output", _("output")

    model = models.ForeignKey(LanguageModel, on_delete=models.CASCADE, related_name="calibrations")
    part = models.CharField(max_length=6, choices=Part)
    ratio = models.FloatField()
    low = models.FloatField()
    high = models.FloatField()
    samples = models.PositiveIntegerField()
    newest = models.DateTimeField()  # when the newest of them was settled

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "part"], name="calibration_once")]

    def __str__(self) -> str:
        return f"calibration of {self.model_id}, {self.part}"

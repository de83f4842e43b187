"""What is to be done now and then, by one process of all."""

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone


class Chore(models.Model):
    name = models.CharField(max_length=20, primary_key=True)
    due = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def take(cls, name: str, every: timedelta) -> bool:
        """True for one caller, when it is due; then it is due again after `every`."""
        now = timezone.now()
        cls.objects.get_or_create(name=name, defaults={"due": now})
        return cls.objects.filter(name=name, due__lte=now).update(due=now + every) == 1

    @classmethod
    def call_for(cls, name: str, when: datetime) -> None:
        """It is due by then, if not before."""
        if not cls.objects.filter(name=name, due__lte=when).exists():
            cls.objects.update_or_create(name=name, defaults={"due": when})

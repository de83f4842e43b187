"""What the page's Check shows, in a terminal."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.models import LanguageModel, Provider
from chat.templatetags.provider_check import seconds, steps
from chat.upstream.check import check

MARKS = {"ok": "✓", "warn": "!", "bad": "✗", "mute": "?"}


class Command(BaseCommand):
    help = "Ask a provider a few short things, and say how it streams, ends, counts, continues and stops."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the provider's name, as the pages show it")
        parser.add_argument("--model", default="", help="one of its models; by default the first that is offered")

    def handle(self, *, name: str, model: str, **options) -> None:
        provider = Provider.objects.filter(name=name).first()
        if provider is None:
            known = ", ".join(Provider.objects.values_list("name", flat=True))
            raise CommandError(f"No provider is named {name}. Known are: {known or 'none'}.", returncode=2)
        if provider.profile == "demo":
            raise CommandError("The demo answers only within the serving process.", returncode=2)
        asked = model or _first_model(provider)
        report = check(provider.endpoint, asked)
        self.stdout.write(f"{provider.name}, {asked}: {seconds(report.seconds)}")
        for step in steps(report, provider):
            self.stdout.write(f"{MARKS[step.state]} {step.text}{f'  ({step.figure})' if step.figure else ''}")
            if step.advice:
                self.stdout.write(f"    {step.advice}")
        if report.failure:
            raise CommandError("It did not answer.", returncode=1)


def _first_model(provider: Provider) -> str:
    first = LanguageModel.objects.filter(provider=provider).order_by("-enabled", "name").first()
    if first is None:
        raise CommandError(f"{provider.name} has no models. Name one with --model.", returncode=2)
    return first.name

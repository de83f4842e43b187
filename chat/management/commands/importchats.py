"""Imports a file of conversations for a person, whatever its size, and while the site runs.

manage.py importchats alice export.zip
"""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import get_language

from chat.archive.importing.problems import sentence_of
from chat.archive.importing.work import steps
from chat.models import Import, Person


class Command(BaseCommand):
    help = "Imports conversations that ChatGPT, Open WebUI, LibreChat or a site like this one has exported."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", help="their username")
        parser.add_argument("file", type=Path)

    def handle(self, *args, person: str, file: Path, **options) -> None:
        try:
            whose = Person.objects.get_by_natural_key(person)
            size = file.stat().st_size
        except Person.DoesNotExist:
            raise CommandError(f"Nobody is called {person}.") from None
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
        about = {"name": file.name[-200:], "size": size, "received": size, "language": get_language()}
        brought = Import.objects.create(person=whose, status=Import.Status.RUNNING, **about)
        try:
            self.work(brought, file)
        except KeyboardInterrupt:
            brought.end(Import.Status.STOPPED)
        brought.refresh_from_db()
        self.tell(brought)

    def work(self, brought: Import, file: Path) -> None:
        with file.open("rb") as opened:
            for act in steps(brought, opened):
                if act:
                    act()

    def tell(self, brought: Import) -> None:
        self.stdout.write(
            f"{brought.get_status_display()}: {brought.made} new, {brought.continued} continued, {brought.known} here "
            f"already, {brought.bad} not read; {brought.messages} messages."
        )
        if brought.complaint:
            self.stdout.write(sentence_of(brought.complaint, ""))
        for problem in brought.problems.all():
            self.stdout.write(f"{problem.position}. {problem.title}: {sentence_of(problem.kind, problem.detail)}")

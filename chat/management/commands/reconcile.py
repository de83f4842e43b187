"""Compares a provider's bill with the books, by day and model. --correct makes estimates exact by it."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.accounting import reconciliation
from chat.accounting.reconciliation import Comparison, Line
from chat.bill_file import COLUMNS, read
from chat.csv_reading import BadList
from chat.models import Provider
from chat.models.money import plain


class Command(BaseCommand):
    help = f"{__doc__} The file: {', '.join(COLUMNS)}; or an export of OpenAI, Anthropic or OpenRouter."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--provider", required=True, help="its name, or its number")
        parser.add_argument("--correct", action="store_true", help="writes the corrections that the bill allows for")

    def handle(self, *args, file: Path, provider: str, correct: bool = False, **options) -> None:
        one = _provider(provider)
        try:
            bill = read(file.read_bytes())
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
        except BadList as bad:
            for fault in bad.faults:
                self.stderr.write(fault)
            raise CommandError("Nothing was compared.") from None
        found = reconciliation.compare(one, bill.billed, bill.currency)
        self._show(found)
        if correct:
            count = reconciliation.correct(None, found, file=file.name)
            self.stdout.write(f"{count} estimates are exact now.")
        else:
            self.stdout.write(f"{found.correctable} estimates can be made exact by this bill: --correct.")

    def _show(self, found: Comparison) -> None:
        for line in found.lines:
            if line.differs:
                self.stdout.write(f"{line.day} {line.name}: {_words(line)}")
        share = found.captured
        captured = "Nothing was billed" if share is None else f"Captured {share:.1%} of what was billed"
        self.stdout.write(f"{captured}. All: {_words(found.total)}")


def _words(line: Line) -> str:
    tokens = f"billed {line.billed.input_tokens} in, {line.billed.output_tokens} out"
    tokens += f"; books {line.ours.input_tokens} in, {line.ours.output_tokens} out"
    if line.billed.cost is None:
        return tokens
    return f"{tokens}; billed {plain(line.billed.cost)}, books {plain(line.ours.cost)}"


def _provider(name: str) -> Provider:
    found = Provider.objects.filter(pk=name) if name.isdecimal() else Provider.objects.filter(name=name)
    if len(found) != 1:
        known = ", ".join(Provider.objects.values_list("name", flat=True))
        raise CommandError(f"There is no provider {name}. There are: {known}.")
    return found[0]

"""Imports prices from a CSV file: all of its lines, or none."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.price_file import COLUMNS, BadList, import_csv


class Command(BaseCommand):
    help = f"{__doc__} Its columns: {', '.join(COLUMNS)}. Money is per million tokens."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args, file: Path, **options) -> None:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
        try:
            count = import_csv(None, data)
        except BadList as bad:
            for fault in bad.faults:
                self.stderr.write(fault)
            raise CommandError("Nothing was imported.") from None
        self.stdout.write(f"{count} prices imported.")

"""Closes a month of the books: what comes late is booked in the next month that is open."""

from datetime import date

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.budgeting import MonthNotOver, close_month


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("month", help="such as 2026-10")

    def handle(self, *args, month: str, **options) -> None:
        try:
            first = date.fromisoformat(f"{month}-01")
        except ValueError:
            raise CommandError(f"{month} is no month. Write it as 2026-10.") from None
        try:
            close_month(None, first)
        except MonthNotOver:
            raise CommandError(
                f"{month} cannot be closed yet: it, or a reply that was asked for in it, goes on."
            ) from None
        self.stdout.write(f"{month} is closed.")

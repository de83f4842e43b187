"""Proves that ledger, daily sums and budgets agree, and names what does not. --rebuild makes a day's sums anew."""

from datetime import date

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.accounting.audit import all_days, audit, one_state
from chat.budgeting import rebuild
from chat.models import Completion, UsageEntry


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rebuild", metavar="DAY", help="a day such as 2026-11-20, or `all`")

    def handle(self, *args, rebuild: str | None = None, **options) -> None:
        if rebuild:
            self._rebuild(all_days() if rebuild == "all" else [_day(rebuild)])
        with one_state():
            lines, completions = UsageEntry.objects.count(), Completion.objects.count()
            findings = [str(finding) for finding in audit()]
        for finding in findings:
            self.stderr.write(finding)
        if findings:
            raise CommandError(f"{len(findings)} things are off.")
        self.stdout.write(f"{lines} lines of {completions} completions: all agrees.")

    def _rebuild(self, chosen: list[date]) -> None:
        for day in chosen:
            self.stdout.write(f"{day}: {rebuild(None, day)} sums were wrong.")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text} is no day. Write it as 2026-11-20, or `all`.") from None

"""Completions and ledger lines that exist get the day on which they were made, in the site's time zone."""

from django.db import migrations
from django.db.models.functions import TruncDate


def fill(apps, schema_editor):
    for name in ("Completion", "UsageEntry"):
        apps.get_model("chat", name).objects.update(day=TruncDate("created"))


class Migration(migrations.Migration):
    dependencies = [("chat", "0005_money")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]

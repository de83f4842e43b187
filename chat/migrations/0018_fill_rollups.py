from django.db import migrations

KINDS = {
    ("people", "day"): ("account", "group", "purpose"),
    ("people", "month"): ("account", "group", "purpose"),
    ("models", "day"): ("model", "purpose", "outcome"),
    ("models", "month"): ("model", "purpose", "outcome"),
    ("all", "month"): ("account", "group", "model", "purpose", "outcome"),
}
COLUMNS = {
    "account": ("account_id", "0"),
    "group": ("COALESCE(group_id, 0)", "0"),
    "model": ("model_id", "0"),
    "purpose": ("purpose", "''"),
    "outcome": ("outcome", "''"),
}
KEY = ("by", "span", "first", *COLUMNS, "currency")


def fill(apps, editor):
    """From the days that there are, by the database itself: there may be millions."""
    rollup = apps.get_model("chat", "UsageRollup")
    days = apps.get_model("chat", "UsageDay")._meta.db_table
    quoted = editor.connection.ops.quote_name
    figures = [field.column for field in rollup._meta.fields if field.name not in ("id", *KEY)]
    for (by, span), kept in KINDS.items():
        chosen = {name: column if name in kept else nothing for name, (column, nothing) in COLUMNS.items()}
        first = "day" if span == "day" else _month(editor.connection.vendor)
        grouped = [first, *(column for name, (column, _nothing) in COLUMNS.items() if name in kept), "currency"]
        selected = [f"'{by}'", f"'{span}'", first, *chosen.values(), "currency", *(f"SUM({name})" for name in figures)]
        names = ", ".join(map(quoted, (*KEY, *figures)))
        editor.connection.cursor().execute(
            f"INSERT INTO {rollup._meta.db_table} ({names}) SELECT {', '.join(selected)} FROM {days}"
            f" GROUP BY {', '.join(grouped)} ORDER BY {first}"
        )


def _month(vendor):
    return "date(day, 'start of month')" if vendor == "sqlite" else "CAST(date_trunc('month', day) AS date)"


def empty(apps, editor):
    apps.get_model("chat", "UsageRollup").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("chat", "0017_usage_rollups")]

    operations = [migrations.RunPython(fill, empty)]

from django.db import migrations, models

import chat.models.language_model

LOCAL = {
    "help_text": "Without it, addresses in private networks are refused.",
    "verbose_name": "on this machine or network",
}


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_first")]

    operations = [
        migrations.AddField(
            "provider",
            "sealed_key",
            models.TextField(blank=True, editable=False),
        ),
        migrations.AddField(
            "provider",
            "key_ending",
            models.CharField(blank=True, editable=False, max_length=4, verbose_name="end of the key"),
        ),
        # Those that exist came from the environment, or were found nearby: they may be where they are.
        migrations.AddField("provider", "local", models.BooleanField(default=True, **LOCAL)),
        migrations.AlterField("provider", "local", models.BooleanField(default=False, **LOCAL)),
        migrations.AlterField(
            "provider",
            "base_url",
            models.CharField(
                max_length=300, validators=[chat.models.language_model.check_base_url], verbose_name="base URL"
            ),
        ),
        migrations.AddField(
            "languagemodel",
            "template",
            models.CharField(
                blank=True,
                help_text="Where the endpoint takes text only. Empty: by the model’s name.",
                max_length=20,
                verbose_name="instruct template",
            ),
        ),
    ]

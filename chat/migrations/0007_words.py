from django.db import migrations

# Seven characters say whose word it is and of what kind: what begins with three letters has an index of its own.
SQLITE = "CREATE VIRTUAL TABLE chat_words USING fts5 (words, content='', tokenize='ascii', prefix='10')"
POSTGRESQL = """
CREATE TABLE chat_words (
    place bigint NOT NULL,
    part smallint NOT NULL,
    message_id bigint NOT NULL REFERENCES chat_message (id) ON DELETE CASCADE,
    words tsvector NOT NULL,
    PRIMARY KEY (place, part)
);
CREATE INDEX chat_words_of_message ON chat_words (message_id);
-- Without a list of what is still to be put in: each search would read it, and now and then somebody's send would empty it.
CREATE INDEX chat_words_words ON chat_words USING gin (words) WITH (fastupdate = off);
"""


def make(apps, schema_editor) -> None:
    schema_editor.execute(SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRESQL, None)


def drop(apps, schema_editor) -> None:
    schema_editor.execute("DROP TABLE chat_words")


class Migration(migrations.Migration):
    dependencies = [("chat", "0006_days_of_usage")]

    operations = [migrations.RunPython(make, drop, elidable=False)]

"""What is said of a conversation that could not be brought in, and of a file that could not be read."""

from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

SENTENCES = {
    # of one conversation; %s is what it names
    "not_json": _("It is not JSON: %s"),
    "unknown": _("It is no conversation of ChatGPT, Open WebUI, LibreChat or this site."),
    "empty": _("It has no messages."),
    "many_messages": _("It has more than %s messages."),
    "long_message": _("One of its messages is longer than %s characters."),
    "too_long": _("It is longer than 64 MB."),
    "same_id": _("Two of its messages have the same id."),
    "no_id": _("One of its messages has no id."),
    "bad_message": _("Message %s has no proper id, parent or role."),
    "no_completion": _("Message %s names a completion that is not in the file."),
    "tangled": _("What it repeats comes to more than 64 MB."),
    "nested": _("It is nested too deeply. Export it without “recursive”."),
    "newer": _("It was written by a newer version of this site: format %s."),
    "deleted": _("It is among your recently deleted conversations: restore it there, or delete it for good first."),
    "mistake": _("An error of ours, which is written down in the server’s log."),
    # of the file
    "ends_early": _("The file ends in the middle of a conversation: it was not downloaded whole."),
    "damaged": _("The zip is damaged from here on."),
    "not_text": _("From here on, the file is not JSON."),
    "nothing": _("There are no conversations in the file."),
    "bad_zip": _("The zip cannot be read: it is damaged, or not whole."),
    "no_conversations": _("There is no conversations.json in the zip, nor any other file of conversations."),
    "encrypted": _("The zip is encrypted. Unpack it, and import what was in it."),
    "packed_otherwise": _("The zip uses an unusual compression method. Pack it again, or import what is in it."),
    "bomb": _("The zip unpacks to far more than conversations do. It was read no further."),
    "never_whole": _("The file was never received whole."),
}  # fmt: skip
OF_FILE = ("ends_early", "damaged", "not_text")  # where reading came to an end; what came before it is kept
NUMBERED = ("many_messages", "long_message")


def sentence_of(kind: str, detail: str) -> str:
    sentence = str(SENTENCES.get(kind, SENTENCES["mistake"]))
    if "%s" not in sentence:
        return sentence
    return sentence % (number_format(int(detail), force_grouping=True) if kind in NUMBERED else detail)

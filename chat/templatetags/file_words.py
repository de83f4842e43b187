"""Files in words: what they are, and what is said when one is not taken, or cannot be sent to a model."""

from django import template
from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from chat.asking import NoRoomForFiles
from chat.attaching import Refused
from chat.models import File, LanguageModel

register = template.Library()

KINDS = {
    "image": gettext_lazy("an image"),
    "text": gettext_lazy("text"),
    "pdf": gettext_lazy("a PDF"),
    "document": gettext_lazy("a text document"),
    "sheet": gettext_lazy("a table"),
    "slides": gettext_lazy("slides"),
}
SENTENCES = {
    "empty": gettext_lazy("“%(name)s” is empty: 0 bytes."),
    "blank": gettext_lazy("There is no text in “%(name)s”."),
    "unknown": gettext_lazy(
        "“%(name)s” is of no kind that can be read. Images, text, PDF, Word, Excel, PowerPoint and OpenDocument can."
    ),
    "packed": gettext_lazy("“%(name)s” is an archive. Unpack it, and attach the files in it."),
    "old_office": gettext_lazy(
        "“%(name)s” is of an old office format that cannot be read. Save it as .docx, .pptx or PDF."
    ),
    "recording": gettext_lazy("“%(name)s” is sound or film, which cannot be read."),
    "heic": gettext_lazy("“%(name)s” is a HEIC image, which cannot be read. Save it as JPEG or PNG."),
    "encrypted": gettext_lazy("“%(name)s” is locked with a password. Save it without one."),
    "no_text": gettext_lazy(
        "There is no text in “%(name)s”: its pages are pictures. Attach them as images, or run text recognition first."
    ),
    "damaged": gettext_lazy("“%(name)s” cannot be read: it is damaged, or not what it seems to be."),
    "bomb": gettext_lazy("“%(name)s” would unpack to far more than it is, so it was not opened."),
    "memory": gettext_lazy("“%(name)s” needs more memory to be read than there is for one file. Send it in parts."),
    "slow": gettext_lazy("“%(name)s” takes too long to be read. Send it in parts."),
    "busy": gettext_lazy("Too many files are being read at the moment. Attach “%(name)s” again in a minute."),
}


def why_not_taken(refused: Refused) -> str:
    return sentence_of(refused.complaint, refused.name, refused.detail)


def sentence_of(complaint: str, name: str, detail: object = "") -> str:
    """What became of a file, and what to do."""
    facts: dict[str, object] = {"name": name}
    match complaint:
        case "too_large":
            sentence = _("“%(name)s” is too large: a file can have %(most)s.")
            facts["most"] = filesizeformat(settings.FILE_MAX_BYTES)
        case "no_room":
            facts["most"] = filesizeformat(settings.FILES_MAX_BYTES)
            sentence = _(
                "There is no room for “%(name)s”: your files together can have %(most)s. "
                "Those go with the conversations that you delete."
            )
        case "mismatch" if detail:
            facts["kind"] = KINDS.get(str(detail), detail)
            sentence = _("“%(name)s” is not what its name says: it is %(kind)s. Rename it if it is what you mean.")
        case "many_pixels":
            facts["most"] = number_format(settings.IMAGE_MAX_PIXELS // 1_000_000, force_grouping=True)
            sentence = _("“%(name)s” has too many pixels: an image can have %(most)s megapixels.")
        case "many_characters":
            facts["most"] = number_format(settings.FILE_MAX_CHARACTERS, force_grouping=True)
            sentence = _("“%(name)s” is too long: %(most)s characters of a file can be read. Send it in parts.")
        case _:
            sentence = str(SENTENCES.get(complaint, SENTENCES["damaged"]))
    return sentence % facts


def cannot_see(model: LanguageModel) -> str:
    sentence = _("%(model)s does not see images. Choose a model that does, or remove the images; your text is kept.")
    return sentence % {"model": model.short_name}


def no_room_for_files(full: NoRoomForFiles) -> str:
    sentence = _(
        "With its files this message has about %(tokens)s tokens; %(model)s has room for %(room)s. "
        "Choose another model, or remove a file; your text is kept."
    )
    figures = {"tokens": full.tokens, "room": full.room}
    told = {name: number_format(figure, force_grouping=True) for name, figure in figures.items()}
    return sentence % {**told, "model": full.model.short_name}


@register.simple_tag
def file_facts(file: File) -> str:
    """Its size, and what it takes of a prompt, as far as that does not depend on the model."""
    if not file.is_ready:
        return sentence_of(file.refusal, file.name)
    facts = [filesizeformat(file.size)]
    if file.is_image:
        facts.insert(0, f"{file.width} × {file.height}")
    if file.pages:
        facts.append(ngettext("%(n)d page", "%(n)d pages", file.pages) % {"n": file.pages})
    if file.tokens:
        tokens = ngettext("≈ %(n)s token", "≈ %(n)s tokens", file.tokens)
        facts.append(tokens % {"n": number_format(file.tokens, force_grouping=True)})
    return pgettext("between facts", ", ").join(facts)

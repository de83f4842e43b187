"""What people may type into a conversation and its surroundings, and what is said when it does not fit."""

import re
from decimal import Decimal
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import UserCreationForm
from django.utils.translation import gettext_lazy as _

from chat.forms.fields import AmountField, OneComplaintForm, TextField
from chat.models import LanguageModel
from chat.models.filing import NAME_LENGTH

MOST_ANSWERS = 8
MOST_TAGS = 100
NO_KEY = _("This form has no key. Reload the page and send again.")


class ModelsField(forms.ModelMultipleChoiceField):
    def clean(self, value):
        try:
            return super().clean(value)
        except OverflowError as error:  # a number that no database takes
            raise forms.ValidationError(self.error_messages["invalid_choice"]) from error


class KeyForm(OneComplaintForm):
    """What is done once, however often its form comes."""

    key = forms.UUIDField(error_messages={"required": NO_KEY, "invalid": NO_KEY})


class AskForm(KeyForm):
    """The hidden half of every form that asks for a reply: its key makes a double click one message."""

    model = ModelsField(
        LanguageModel.objects.none(),
        required=False,
        error_messages={
            "invalid_choice": _("This model is not available any more. Choose another one."),
            "invalid_pk_value": _("This model is not available any more. Choose another one."),
        },
    )
    n = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_ANSWERS,
        error_messages=dict.fromkeys(
            ("min_value", "max_value", "invalid"), _("One to eight answers can be asked for at a time.")
        ),
    )

    streamed = forms.TypedChoiceField(
        required=False,
        choices=[("yes", "yes"), ("no", "no")],
        coerce=lambda choice: choice == "yes",
        empty_value=None,
        error_messages={"invalid_choice": _("A reply can come streamed or whole.")},
    )
    cap = AmountField(
        required=False,
        max_digits=12,
        decimal_places=6,
        min_value=Decimal("0.000001"),
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_digits", "max_whole_digits", "max_decimal_places"),
            _("Where the reply is to stop is an amount of money above 0, such as 0.50."),
        ),
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["model"].queryset = LanguageModel.objects.usable()

    def clean(self) -> dict:
        fields = super().clean()
        if len(fields.get("model") or [None]) * (fields.get("n") or 1) > MOST_ANSWERS:
            raise forms.ValidationError(self.fields["n"].error_messages["max_value"])
        return fields


class FilesField(forms.Field):
    """Ids of files that were taken in before. Whether they are there and whose they are is seen when they are sent."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: object) -> list[UUID]:
        try:
            return list(dict.fromkeys(UUID(pk) for pk in value or []))
        except ValueError as error:
            raise forms.ValidationError(
                _("One of the files has no name that is known here. Attach it again.")
            ) from error

    def validate(self, value: list[UUID]) -> None:
        if len(value) > settings.FILES_MAX_NUMBER:
            raise forms.ValidationError(too_many_files(len(value)))


def too_many_files(number: int) -> str:
    sentence = _("These are %(number)d files; %(most)d can be sent at once. Remove some, or send them in parts.")
    return sentence % {"number": number, "most": settings.FILES_MAX_NUMBER}


class MessageForm(AskForm):
    """The composer. `parent` is the end of the thread that the page shows. With files it needs no words."""

    text = TextField(
        required=False,
        max_length=settings.MESSAGE_MAX_LENGTH,
        strip=False,
        error_messages={
            "required": _("There is nothing to send yet: write a message."),
            "max_length": _(
                "This message has %(show_value)d characters; %(limit_value)d can be sent at once. "
                "It is still in the box: shorten it, or send it in parts."
            ),
        },
    )
    parent = forms.IntegerField(required=False)
    temporary = forms.BooleanField(required=False)
    file = FilesField(required=False)

    def __init__(self, *args, with_files: bool = False, **kwargs) -> None:
        """`with_files`: there are others than those that are named."""
        super().__init__(*args, **kwargs)
        self._with_files = with_files

    def clean(self) -> dict:
        fields = super().clean()
        is_blank = "text" in fields and not fields["text"].strip()
        if is_blank and not (fields.get("file") or self._with_files or "file" in self.errors):
            self.add_error("text", self.fields["text"].error_messages["required"])
        return fields


class ForecastForm(MessageForm):
    """The composer as it stands, before it is sent."""

    key = None
    conversation = forms.UUIDField(required=False)


class TitleForm(forms.Form):
    title = forms.CharField(
        max_length=200,
        error_messages={
            "required": _("A conversation needs a title."),
            "max_length": _("A title can have 200 characters; this one has %(show_value)d."),
        },
    )


class NameField(forms.CharField):
    """Of a folder or a tag: one line, without spaces around it."""

    def __init__(self, **options) -> None:
        messages = {"max_length": _("A name can have %(limit_value)d characters; this one has %(show_value)d.")}
        super().__init__(max_length=NAME_LENGTH, error_messages=messages, **options)

    def to_python(self, value: object) -> str:
        return " ".join(super().to_python(value).split())


class TagsField(forms.CharField):
    """Names with commas between them; a # before one is no part of it."""

    def to_python(self, value: object) -> list[str]:
        names = [" ".join(name.lstrip("#").split()) for name in re.split("[,;，；、\n\0]", super().to_python(value))]
        return list(dict.fromkeys(name for name in names if name))

    def validate(self, value: list[str]) -> None:
        for name in value:
            if len(name) > NAME_LENGTH:
                sentence = _("A tag can have %(limit)d characters; “%(name)s…” has %(length)d.")
                facts = {"limit": NAME_LENGTH, "name": name[:20], "length": len(name)}
                raise forms.ValidationError(sentence % facts)
        if len(value) > MOST_TAGS:
            sentence = _("These are %(number)d tags; %(most)d can be given at once.")
            raise forms.ValidationError(sentence % {"number": len(value), "most": MOST_TAGS})
        if self.required and not value:
            raise forms.ValidationError(self.error_messages["required"])

    def run_validators(self, value: list[str]) -> None:
        """None are for lists."""


class FilingForm(OneComplaintForm):
    """Where one conversation is filed."""

    folder = NameField(required=False)
    tags = TagsField(required=False)


class NameForm(OneComplaintForm):
    """Another name for a folder or a tag."""

    name = NameField()


class SignUpForm(UserCreationForm):
    class Meta:
        model = get_user_model()
        fields = ["username"]

    def clean_username(self) -> str:
        username = self.cleaned_data["username"]
        if get_user_model().objects.filter(username__iexact=username).exists():
            raise forms.ValidationError(_("Somebody has this name already. Choose another one."))
        return username

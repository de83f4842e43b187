"""What people may type, and what is said when it does not fit."""

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import UserCreationForm
from django.utils.translation import gettext_lazy as _

from chat.models import LanguageModel

MOST_ANSWERS = 8


class ModelsField(forms.ModelMultipleChoiceField):
    def clean(self, value):
        try:
            return super().clean(value)
        except OverflowError as error:  # a number that no database takes
            raise forms.ValidationError(self.error_messages["invalid_choice"]) from error


class AskForm(forms.Form):
    """The hidden half of every form that asks for a reply: its key makes a double click one message."""

    key = forms.UUIDField(error_messages={"required": _("This form has no key. Reload the page and send again.")})
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

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["model"].queryset = LanguageModel.objects.usable()

    def clean(self) -> dict:
        fields = super().clean()
        if len(fields.get("model") or [None]) * (fields.get("n") or 1) > MOST_ANSWERS:
            raise forms.ValidationError(self.fields["n"].error_messages["max_value"])
        return fields

    @property
    def complaint(self) -> str:
        """The first error, as a sentence."""
        return next(iter(self.errors.values()))[0]


class MessageForm(AskForm):
    """The composer. `parent` is the end of the thread that the page shows."""

    text = forms.CharField(
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

    def clean_text(self) -> str:
        # Browsers send line ends as CR LF.
        text = self.cleaned_data["text"].replace("\r\n", "\n").strip("\n")
        if not text.strip():
            raise forms.ValidationError(self.fields["text"].error_messages["required"])
        return text


class TitleForm(forms.Form):
    title = forms.CharField(
        max_length=200,
        error_messages={
            "required": _("A conversation needs a title."),
            "max_length": _("A title can have 200 characters; this one has %(show_value)d."),
        },
    )


class SignUpForm(UserCreationForm):
    class Meta:
        model = get_user_model()
        fields = ["username"]

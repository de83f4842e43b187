"""What people may type, and what is said when it does not fit."""

import re
from decimal import Decimal

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import UserCreationForm
from django.core.validators import MinValueValidator
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from chat.archive.sharing import DAYS
from chat.models import Import, LanguageModel, Person, Provider
from chat.models.filing import NAME_LENGTH
from chat.models.imports import MOST_BYTES
from chat.models.language_model import server_of
from chat.upstream.payloads import name_in
from chat.upstream.profiles import PROFILES
from chat.upstream.templates import TEMPLATES

MOST_ANSWERS = 8
MOST_IMPORTS = 5  # of one person at a time
LEAST_DAYS_KEPT = 7
LEAST_GRACE = 5  # seconds; less would be a reload
CONNECTABLE = [name for name in PROFILES if name != "demo"]
NO_KEY = _("This form has no key. Reload the page and send again.")


class ModelsField(forms.ModelMultipleChoiceField):
    def clean(self, value):
        try:
            return super().clean(value)
        except OverflowError as error:  # a number that no database takes
            raise forms.ValidationError(self.error_messages["invalid_choice"]) from error


class AmountField(forms.DecimalField):
    """Money as people write it: with a sign of its currency, and with either decimal sign."""

    def to_python(self, value: object) -> Decimal | None:
        return super().to_python(value.strip(" $€£¥₹₩").replace(",", ".") if isinstance(value, str) else value)


class KeyForm(forms.Form):
    """What is done once, however often its form comes."""

    key = forms.UUIDField(error_messages={"required": NO_KEY, "invalid": NO_KEY})

    @property
    def complaint(self) -> str:
        """The first error, as a sentence."""
        return next(iter(self.errors.values()))[0]


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


class TextField(forms.CharField):
    """Browsers send line ends as CR LF, which count as one character here as they do on the page."""

    def to_python(self, value: object) -> str:
        return super().to_python(value).replace("\r\n", "\n").strip("\n")


class MessageForm(AskForm):
    """The composer. `parent` is the end of the thread that the page shows."""

    text = TextField(
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

    def clean_text(self) -> str:
        if not self.cleaned_data["text"].strip():
            raise forms.ValidationError(self.fields["text"].error_messages["required"])
        return self.cleaned_data["text"]


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
        names = [" ".join(name.lstrip("#").split()) for name in re.split("[,;，；、\n]", super().to_python(value))]
        return list(dict.fromkeys(name for name in names if name))

    def validate(self, value: list[str]) -> None:
        for name in value:
            if len(name) > NAME_LENGTH:
                sentence = _("A tag can have %(limit)d characters; “%(name)s…” has %(length)d.")
                facts = {"limit": NAME_LENGTH, "name": name[:20], "length": len(name)}
                raise forms.ValidationError(sentence % facts)
        if self.required and not value:
            raise forms.ValidationError(self.error_messages["required"])

    def run_validators(self, value: list[str]) -> None:
        """None are for lists."""


class FilingForm(forms.Form):
    """Where one conversation is filed."""

    folder = NameField(required=False)
    tags = TagsField(required=False)

    @property
    def complaint(self) -> str:
        return next(iter(self.errors.values()))[0]


class NameForm(forms.Form):
    """Another name for a folder or a tag."""

    name = NameField()

    @property
    def complaint(self) -> str:
        return next(iter(self.errors.values()))[0]


class ImportForm(forms.Form):
    """What is to be imported: its name and its size, or the file itself."""

    name = forms.CharField(max_length=1000, error_messages={"required": _("The file has no name.")})
    size = forms.IntegerField(
        min_value=1,
        error_messages={"required": _("The size of the file is missing."), "min_value": _("The file is empty.")},
    )

    def __init__(self, person: Person, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean_name(self) -> str:
        return self.cleaned_data["name"][-200:]

    def clean_size(self) -> int:
        if self.cleaned_data["size"] > MOST_BYTES:
            raise forms.ValidationError(
                _("A file can have %(most)d MB here. An administrator can import a larger one by a command."),
                params={"most": MOST_BYTES // 2**20},
            )
        return self.cleaned_data["size"]

    def clean(self) -> dict:
        fields = super().clean()
        if Import.objects.unended().filter(person=self.person).count() >= MOST_IMPORTS:
            raise forms.ValidationError(
                _("%(most)d files of yours are being imported. Wait until one is done, or stop one."),
                params={"most": MOST_IMPORTS},
            )
        return fields

    @property
    def complaint(self) -> str:
        return next(iter(self.errors.values()))[0]


class ImportFileForm(ImportForm):
    file = forms.FileField(error_messages={"empty": _("The file is empty.")})

    def __init__(self, person: Person, data: QueryDict, files: MultiValueDict) -> None:
        file = files.get("file")
        super().__init__(person, {"name": file.name if file else "", "size": file.size if file else None}, files)


class ShareForm(forms.Form):
    days = forms.TypedChoiceField(
        coerce=int,
        choices=[(days, days) for days in DAYS],
        initial=30,
        error_messages=dict.fromkeys(("required", "invalid_choice"), _("Choose for how long the link opens.")),
    )
    with_thoughts = forms.BooleanField(required=False)


class PartingForm(forms.Form):
    what = forms.ChoiceField(
        choices=[
            ("data", _("My conversations, folders, tags, links and imports. The account stays.")),
            ("account", _("All that, and my account.")),
        ],
        initial="data",
        widget=forms.RadioSelect,
        error_messages=dict.fromkeys(("required", "invalid_choice"), _("Choose what is to be deleted.")),
    )
    password = forms.CharField(
        max_length=1000, error_messages={"required": _("Your password is missing: there is no way back.")}
    )
    done = _("All of it is deleted. It is gone from the server within a day.")

    def __init__(self, person: Person, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean_password(self) -> str:
        if not self.person.check_password(self.cleaned_data["password"]):
            raise forms.ValidationError(_("That is not your password. Nothing was deleted."))
        return self.cleaned_data["password"]

    def clean_what(self) -> str:
        others = Person.objects.filter(is_superuser=True, is_active=True).exclude(pk=self.person.pk)
        if self.cleaned_data["what"] == "account" and self.person.is_superuser and not others.exists():
            raise forms.ValidationError(_("You are the only administrator: make somebody else one first."))
        return self.cleaned_data["what"]


class RetentionForm(forms.Form):
    days = forms.IntegerField(
        required=False,
        min_value=LEAST_DAYS_KEPT,
        max_value=36500,
        error_messages=dict.fromkeys(
            ("min_value", "max_value", "invalid"), _("A number of days from 7 on, or nothing: then they are kept.")
        ),
    )


class SignUpForm(UserCreationForm):
    class Meta:
        model = get_user_model()
        fields = ["username"]

    def clean_username(self) -> str:
        username = self.cleaned_data["username"]
        if get_user_model().objects.filter(username__iexact=username).exists():
            raise forms.ValidationError(_("Somebody has this name already. Choose another one."))
        return username


# Providers and their models, by administrators


class ProviderForm(forms.ModelForm):
    """The key goes in and never comes out: the field is always shown empty."""

    key = forms.CharField(
        required=False,
        max_length=2000,
        error_messages={"max_length": _("No key is longer than %(limit_value)d characters.")},
    )

    class Meta:
        model = Provider
        fields = ["name", "base_url", "local", "max_streams"]
        error_messages = {
            "name": {
                "required": _("A provider needs a name."),
                "unique": _("Another provider has this name."),
                "max_length": _("A name can have %(limit_value)d characters; this one has %(show_value)d."),
            },
            "base_url": {"required": _("Where does it listen? Its base URL is missing.")},
            "max_streams": dict.fromkeys(
                ("invalid", "min_value", "max_value"), _("A whole number from 1, or nothing.")
            ),
        }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["max_streams"].min_value = 1
        self.fields["max_streams"].validators.append(MinValueValidator(1, _("A whole number from 1, or nothing.")))

    @property
    def complaints(self) -> list[str]:
        return [sentence for sentences in self.errors.values() for sentence in sentences]

    def clean_key(self) -> str:
        key = self.cleaned_data["key"].strip()
        if not (key.isascii() and key.isprintable()):
            raise forms.ValidationError(_("The key contains characters that no key has. Paste it again."))
        return key


class NewProviderForm(ProviderForm):
    """What is left empty is the profile's own."""

    models = forms.CharField(required=False, max_length=2000)

    class Meta(ProviderForm.Meta):
        fields = ["profile", *ProviderForm.Meta.fields]
        error_messages = ProviderForm.Meta.error_messages | {
            "profile": {"required": _("Choose who serves the models.")}
        }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = self.fields["base_url"].required = False

    def clean(self) -> dict:
        fields = super().clean()
        if profile := fields.get("profile"):
            if "base_url" in fields:
                fields["base_url"] = fields["base_url"].strip() or PROFILES[profile].base_url
            if not fields.get("base_url") and "base_url" not in self.errors:
                self.add_error("base_url", self.fields["base_url"].error_messages["required"])
        return fields

    def clean_profile(self) -> str:
        if (profile := self.cleaned_data["profile"]) not in CONNECTABLE:
            raise forms.ValidationError(_("Choose who serves the models."))
        return profile

    def clean_models(self) -> list[str]:
        """Names with commas or spaces between them; models' names have neither."""
        names = self.cleaned_data["models"].replace(",", " ").split()
        if not all(map(name_in, names)):
            raise forms.ValidationError(_("A model’s name has at most 200 characters, all of them visible."))
        return names


class KeptProviderForm(ProviderForm):
    forget_key = forms.BooleanField(required=False)

    class Meta(ProviderForm.Meta):
        fields = [*ProviderForm.Meta.fields, "enabled"]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.server = server_of(self.instance.base_url)

    def clean(self) -> dict:
        """A kept key is for one server: whoever could send it elsewhere could read it there."""
        fields = super().clean()
        moved = "base_url" in fields and server_of(fields["base_url"]) != self.server
        if moved and self.instance.sealed_key and not fields.get("key") and not fields["forget_key"]:
            self.add_error("key", _("The key was pasted for another server. Paste the new server’s key."))
        return fields


class LanguageModelForm(forms.ModelForm):
    class Meta:
        model = LanguageModel
        fields = ["context_length", "max_output", "grace_seconds", "streamed", "template"]
        error_messages = {
            "max_output": {"required": _("An answer needs a limit.")},
        }

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["template"] = forms.ChoiceField(required=False, choices=template_choices)
        for name in ("context_length", "max_output"):
            self.fields[name].validators.append(MinValueValidator(1, _("A whole number from 1.")))

    def clean_grace_seconds(self) -> int | None:
        grace = self.cleaned_data["grace_seconds"]
        if grace is not None and grace < LEAST_GRACE:
            raise forms.ValidationError(_("At least 5 seconds: loading a page again is not leaving."))
        return grace


def template_choices() -> list[tuple[str, str]]:
    return [("", _("by the model’s name")), *((name, template.label) for name, template in TEMPLATES.items())]

"""What one conversation asks with: its system prompt and parameters. Opened from its menu; without a script, a page."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat.access import conversation_for
from chat.forms.settings import SetupForm
from chat.models import Conversation, LanguageModel, Persona
from chat.parameters import PARAMETERS, taken
from chat.views.pages import chosen_persona


@require_http_methods(["GET", "POST"])
@login_required
def setup(request: HttpRequest, pk: UUID) -> HttpResponse:
    conversation = conversation_for(request.user, pk)
    names = names_of(conversation.model)
    if request.method == "GET":
        return _shown(
            request, conversation, SetupForm.showing(conversation.system_prompt, conversation.parameters, names)
        )
    form = SetupForm(request.POST, names=names)
    if not form.is_valid():
        return _shown(request, conversation, form)
    conversation.system_prompt = form.cleaned_data["system_prompt"]
    # What this model does not take was not shown: it waits for a model that does.
    others = {name: value for name, value in conversation.parameters.items() if name not in names}
    conversation.parameters = others | form.parameters
    conversation.save(update_fields=["system_prompt", "parameters"])
    return HttpResponse(status=204) if request.headers.get("HX-Request") else redirect("conversation", conversation.pk)


@require_GET
@login_required
def new_setup(request: HttpRequest) -> HttpResponse:
    """The same for a conversation that has not begun: its fields go with the first message."""
    if not request.headers.get("HX-Request"):
        return redirect("settings")
    persona = chosen_persona(request) or Persona.nameless(request.user)
    return _shown(request, None, SetupForm.showing(persona.system_prompt, persona.parameters))


@require_POST
@login_required
def take_persona(request: HttpRequest, pk: UUID) -> HttpResponse:
    """From the next message on the conversation asks with what this persona has; with none, with the person's own."""
    conversation = conversation_for(request.user, pk)
    conversation.take(chosen_persona(request) or Persona.nameless(request.user))
    return HttpResponse(status=204) if request.headers.get("HX-Request") else redirect("conversation", conversation.pk)


def names_of(model: LanguageModel | None) -> list[str]:
    """The parameters that this model takes; all, where it is not known yet."""
    return taken(model.provider.facts.parameters) if model else list(PARAMETERS)


def _shown(request: HttpRequest, conversation: Conversation | None, form: SetupForm) -> HttpResponse:
    page = {"conversation": conversation, "form": form, "personas": request.user.personas.named()}
    template = "chat/_setup.html" if request.headers.get("HX-Request") else "yours/setup.html"
    return render(request, template, page, status=422 if form.errors else 200)

"""Sending, editing, regenerating, continuing; and one message by itself."""

from collections.abc import Callable
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from chat import asking, attaching, forking, live
from chat.access import conversation_for, file_for, message_for, question_for, reply_for
from chat.accounting.budgets import Refused
from chat.articles import article, articles_of
from chat.asking import Asked, Beginning, Wish
from chat.forecast import forecast
from chat.forms.conversations import AskForm, ForecastForm, KeyForm, MessageForm, too_many_files
from chat.forms.settings import SetupForm
from chat.markdown.plain import plain as without_markup
from chat.models import Conversation, LanguageModel, Message
from chat.templatetags.budget_words import over_budget, would_cost
from chat.templatetags.file_words import cannot_see, no_room_for_files, why_not_taken
from chat.views.pages import chosen_persona, composer_of, page_of, shown_leaf

NO_KEY_OF_ITS_OWN = gettext_lazy("This form has no key of its own. Reload the page and send again.")


@require_POST
@login_required
def send(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """The composer's form; without `pk` it begins a conversation."""
    conversation = conversation_for(request.user, pk) if pk else None
    uploads = [upload for upload in request.FILES.getlist("attach") if upload.name]  # of a page without a script
    form = MessageForm(request.POST, with_files=bool(uploads))
    if not form.is_valid():
        return refusal(request, form.complaint, 422)
    fields = form.cleaned_data
    if fields["parent"] and not (conversation and conversation.messages.filter(pk=fields["parent"]).exists()):
        return refusal(
            request, _("The message that this one answers is gone. Reload the page; your text is kept."), 409
        )
    setup = SetupForm(request.POST) if "system_prompt" in request.POST and not conversation else None
    if setup and not setup.is_valid():
        return refusal(request, setup.complaint, 422)
    if (number := len(uploads) + len(fields["file"])) > settings.FILES_MAX_NUMBER:
        return refusal(request, too_many_files(number), 422)
    try:
        taken = [attaching.take_in(request.user, upload.name, upload).pk for upload in uploads]
    except attaching.Refused as refused:
        return refusal(request, why_not_taken(refused), 422)
    beginning = None if conversation else _beginning(request, setup, temporary=fields["temporary"])
    return _asked(
        request,
        form,
        lambda wish: asking.send(
            request.user,
            text=fields["text"],
            wish=wish,
            key=fields["key"],
            conversation=conversation,
            parent=fields["parent"],
            beginning=beginning,
            files=[*fields["file"], *taken],
        ),
    )


@require_POST
@login_required
def forecast_of(request: HttpRequest) -> HttpResponse:
    """What the composer's form would cost, in words; nothing where it is not complete yet."""
    form = ForecastForm(request.POST)
    if not form.is_valid() or not form.cleaned_data["model"]:
        return HttpResponse(status=204)
    fields = form.cleaned_data
    conversation = conversation_for(request.user, fields["conversation"]) if fields["conversation"] else None
    parent = fields["parent"]
    if parent and not (conversation and conversation.messages.filter(pk=parent).exists()):
        return HttpResponse(status=204)
    files = [file_for(request.user, pk) for pk in fields["file"]]
    found = forecast(conversation, parent, fields["text"], list(fields["model"]), fields["n"] or 1, files=files)
    return HttpResponse(would_cost(found), content_type="text/plain; charset=utf-8")


def _beginning(request: HttpRequest, setup: SetupForm | None, *, temporary: bool) -> Beginning:
    """What was set for this conversation, if anything was; else its persona has it."""
    persona = chosen_persona(request)
    if setup is None:
        return Beginning(persona, temporary=temporary)
    return Beginning(persona, setup.cleaned_data["system_prompt"], setup.parameters, temporary=temporary)


@require_POST
@login_required
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    original = question_for(request.user, pk)
    form = MessageForm(request.POST, with_files="files" not in request.POST and bool(original.attached))
    if not form.is_valid():
        return refusal(request, form.complaint, 422)
    text, key = form.cleaned_data["text"], form.cleaned_data["key"]
    files = form.cleaned_data["file"] if "files" in request.POST else None  # the form says which, maybe none
    return _asked(
        request, form, lambda wish: asking.edit(request.user, original, text=text, wish=wish, key=key, files=files)
    )


@require_POST
@login_required
def regenerate(request: HttpRequest, pk: int) -> HttpResponse:
    reply, form = reply_for(request.user, pk), AskForm(request.POST)
    if not form.is_valid():
        return refusal(request, form.complaint, 422)
    key = form.cleaned_data["key"]
    usual = LanguageModel.objects.usable().filter(completion=reply.completion_id).first()
    return _asked(request, form, lambda wish: asking.regenerate(request.user, reply, wish=wish, key=key), usual)


@require_POST
@login_required
def go_on(request: HttpRequest, pk: int) -> HttpResponse:
    reply, form = reply_for(request.user, pk), AskForm(request.POST)
    if not form.is_valid():
        return refusal(request, form.complaint, 422)
    key = form.cleaned_data["key"]
    return _asked(request, form, lambda wish: asking.go_on(request.user, reply, key=key, cap=wish.cap))


@require_POST
@login_required
def fork(request: HttpRequest, pk: int) -> HttpResponse:
    """The thread up to a message, as a conversation of its own."""
    message, form = message_for(request.user, pk), KeyForm(request.POST)
    if not form.is_valid():
        return refusal(request, form.complaint, 422)
    try:
        made = forking.fork(request.user, message, key=form.cleaned_data["key"])
    except forking.ReplyArriving:
        return refusal(request, _("A reply is still arriving here. Stop it, or wait for its end."), 409)
    except forking.KeyTaken:
        return refusal(request, NO_KEY_OF_ITS_OWN, 409)
    live.hint_changed(request.user.pk, made.pk)
    if not request.headers.get("HX-Request"):
        return redirect("conversation", made.pk)
    return HttpResponse(headers={"HX-Redirect": reverse("conversation", args=[made.pk])})


@require_POST
@login_required
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """Walks to a sibling: the thread that is shown goes through it from now on, to its newest end."""
    message = message_for(request.user, pk)
    conversation = message.conversation
    conversation.show(message)
    return _thread_changed(request, conversation, at=message.pk)


@require_GET
@login_required
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """One article, as it stands now: the page fetches it when its reply has settled."""
    message = message_for(request.user, pk)
    message.conversation.note_read()
    leaf = shown_leaf(request, message.conversation)
    context = {"article": article(message), **composer_of(request, message.conversation, leaf=leaf)}
    return render(request, "chat/_settled.html", context)


@require_GET
@login_required
def source(request: HttpRequest, pk: int) -> HttpResponse:
    """The message's Markdown, for Copy."""
    return HttpResponse(message_for(request.user, pk).text, content_type="text/markdown; charset=utf-8")


@require_GET
@login_required
def plain(request: HttpRequest, pk: int) -> HttpResponse:
    """The message without its markup, for Copy as plain text."""
    text = without_markup(message_for(request.user, pk).text)
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@require_GET
@login_required
def again(request: HttpRequest, pk: int) -> HttpResponse:
    """The models that may answer once more: a menu on the page, or a page of its own."""
    reply = reply_for(request.user, pk)
    model = reply.completion and reply.completion.model
    context = {"article": article(reply), "models": LanguageModel.objects.usable(), "model": model}
    return render(request, "chat/_again.html" if request.headers.get("HX-Request") else "chat/again.html", context)


def refusal(request: HttpRequest, sentence: str, status: int, *, choose: bool = False) -> HttpResponse:
    """A sentence beside the composer; what was typed stays where it is. `choose`: with a way to the models."""
    if not request.headers.get("HX-Request"):
        return render(request, "chat/refused.html", {"sentence": sentence}, status=status)
    response = render(request, "chat/_refusal.html", {"sentence": sentence, "choose": choose}, status=status)
    response["HX-Retarget"], response["HX-Reswap"] = "#notice", "innerHTML"
    return response


def _asked(
    request: HttpRequest, form: AskForm, ask: Callable[..., Asked], usual: LanguageModel | None = None
) -> HttpResponse:
    """Asks, tells the person's pages, and answers with the articles where the reply will grow.

    `usual` is whom to ask where the form names no model.
    """
    chosen = list(form.cleaned_data["model"]) or [usual or composer_of(request, None)["model"]]
    if chosen == [None]:
        return refusal(request, _("No model can answer yet. An administrator has to connect a provider first."), 409)
    try:
        fields = form.cleaned_data
        asked = ask(Wish(chosen, fields["n"] or 1, fields["streamed"], fields["cap"]))
    except asking.ReplyUnsettled:
        return refusal(
            request, _("A reply is still arriving here. Stop it, or wait for its end; your text is kept."), 409
        )
    except asking.CannotContinue:
        return refusal(request, _("This reply cannot be continued. Regenerate it instead."), 409)
    except asking.NothingAsked:
        return refusal(request, _("This reply answers no message, so it cannot be asked for again. Write one."), 409)
    except Refused as refused:
        return refusal(request, over_budget(refused, asking.fitting(request.user, refused)), 409)
    except asking.CannotSee as blind:
        return refusal(request, cannot_see(blind.model), 409, choose=True)
    except asking.NoRoomForFiles as full:
        return refusal(request, no_room_for_files(full), 409, choose=True)
    except asking.FilesGone:
        return refusal(
            request, _("One of the files is not there any more. Remove it, or attach it again; your text is kept."), 409
        )
    except asking.ConversationGone:
        return refusal(request, _("This conversation has been deleted. Your text is kept: send it in a new one."), 409)
    except asking.KeyTaken:
        return refusal(request, NO_KEY_OF_ITS_OWN, 409)
    except asking.KeyReused as reuse:
        return _key_reused(request, reuse.message)
    live.hint_queued(request.user.pk, asked.conversation.pk, asked.conversation.leaf_id)
    if not request.headers.get("HX-Request"):
        return redirect("conversation", asked.conversation.pk)
    return _answer(request, asked)


def _answer(request: HttpRequest, asked: Asked) -> HttpResponse:
    conversation = asked.conversation
    if asked.repeated or _replaces(asked):
        return _thread_changed(request, conversation)
    # The first token waits for this answer: nothing is read again. The list and the month at its foot come later.
    context = {
        "conversation": conversation,
        "articles": articles_of(asked.message, asked.choices, asked.files),
        "key": uuid4(),
        "leaf": conversation.leaf_id,
        "arriving": next((completion.pk for completion in asked.completions if not completion.is_settled), None),
    }
    response = render(request, "chat/_sent.html", context)
    response["HX-Push-Url"] = f"/c/{conversation.pk}/"
    return response


def _replaces(asked: Asked) -> bool:
    """An edit, a regeneration, a continuation: the thread that is shown takes another way."""
    first = asked.message or asked.choices[0]
    return Message.objects.filter(conversation=first.conversation_id, parent=first.parent_id).count() > 1


def _thread_changed(request: HttpRequest, conversation: Conversation, *, at: int | None = None) -> HttpResponse:
    conversation.refresh_from_db()
    response = render(request, "chat/_refreshed.html", page_of(request, conversation, at=at))
    response["HX-Retarget"], response["HX-Reswap"] = "#thread", "innerMorph"
    return response


def _key_reused(request: HttpRequest, earlier: Message) -> HttpResponse:
    """The page shows the earlier message, keeps the text, and gets a fresh key."""
    sentence = _("This form had already sent another message, which is shown above. Your text is kept: send it again.")
    if not request.headers.get("HX-Request"):
        return refusal(request, sentence, 409)
    conversation = earlier.conversation
    context = {"sentence": sentence, **page_of(request, conversation)}
    response = render(request, "chat/_refreshed.html", context, status=409)
    response["HX-Retarget"], response["HX-Reswap"] = "#thread", "innerMorph"
    response["HX-Push-Url"] = f"/c/{conversation.pk}/"
    return response

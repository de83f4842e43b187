"""Somebody else's conversation, read by an administrator with the right to it, after a reason and for a while."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from chat import reviewing
from chat.access import review_for, reviewable_completion_for
from chat.articles import Lineup, articles
from chat.forms.reviews import ReviewForm
from chat.models import Review
from chat.models.thread import Stretch, Thread
from chat.views.administration import administrators_only
from chat.views.pages import number_in


@require_http_methods(["GET", "POST"])
@administrators_only
def new(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks for the reason; nothing of the conversation is on this page."""
    completion = reviewable_completion_for(request.user, pk)
    form = ReviewForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        fields = form.cleaned_data
        review = reviewing.open_for(request.user, completion, reason=fields["reason"], minutes=fields["minutes"])
        return redirect("review", review.pk)
    page = {"completion": completion, "form": form}
    return render(request, "administration/new_review.html", page, status=422 if form.errors else 200)


@require_GET
@administrators_only
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """A stretch of its thread: around the reply that was asked for, or before or after a message."""
    review = review_for(request.user, pk)
    stretch = _stretch(request, review)
    shown = [each for item in articles(stretch.messages) for each in (item.lineup if type(item) is Lineup else [item])]
    return render(request, "administration/review.html", {"review": review, "stretch": stretch, "articles": shown})


def _stretch(request: HttpRequest, review: Review) -> Stretch:
    message = review.completion.messages.filter(conversation=review.conversation).values_list("pk", flat=True).first()
    thread = Thread.through(review.conversation, message)
    for name, find in (("before", thread.before), ("after", thread.after)):
        if (at := number_in(request, name)) is not None:
            if at not in thread:
                raise Http404
            return find(at)
    return thread.around(message) if message in thread else thread.end()

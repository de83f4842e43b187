from django.urls import path

from chat.views import accounts, completions, conversations, errors, messages, pages, providers

urlpatterns = [
    path("", pages.new_conversation, name="new-conversation"),
    path("c/", messages.send, name="begin"),
    path("c/<uuid:pk>/", pages.conversation, name="conversation"),
    path("c/<uuid:pk>/thread/", pages.thread, name="thread"),
    path("c/<uuid:pk>/send/", messages.send, name="send"),
    path("c/<uuid:pk>/rename/", conversations.rename, name="rename"),
    path("c/<uuid:pk>/delete/", conversations.delete, name="delete"),
    path("list/", pages.sidebar_list, name="list"),
    path("messages/<int:pk>/", messages.one, name="message"),
    path("messages/<int:pk>/source/", messages.source, name="message-source"),
    path("messages/<int:pk>/edit/", messages.edit, name="edit"),
    path("messages/<int:pk>/regenerate/", messages.regenerate, name="regenerate"),
    path("messages/<int:pk>/continue/", messages.go_on, name="continue"),
    path("messages/<int:pk>/show/", messages.show, name="show"),
    path("completions/<int:pk>/stop/", completions.stop, name="stop"),
    path("providers/nearby/", providers.nearby, name="providers-nearby"),
    path("providers/connect/", providers.connect, name="connect-provider"),
    path("sign-in/", accounts.sign_in, name="sign-in"),
    path("sign-up/", accounts.sign_up, name="sign-up"),
    path("sign-out/", accounts.sign_out, name="sign-out"),
    path("first/<str:token>/", accounts.first_visit, name="first-visit"),
    path("csp-report", errors.csp_report),
    path("health", errors.health),
]

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("chat.urls")),
    path("admin/", admin.site.urls),
]
handler404 = "chat.views.errors.not_found"
handler500 = "chat.views.errors.server_error"

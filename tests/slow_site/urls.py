from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000000) SELECT count(*) FROM n"


def slow(request: HttpRequest) -> HttpResponse:
    request.user.get_username()
    with connection.cursor() as cursor:
        cursor.execute(COUNT)
    return HttpResponse("done")


urlpatterns = [path("slow/", slow), path("", include("chatsite.urls"))]

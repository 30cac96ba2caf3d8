# SPDX-License-Identifier: BSD-3-Clause
"""A small Django site: a counter and a basket in the session, a page in the cache."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.cache import cache_page

rendered = 0


def visit(request: HttpRequest) -> HttpResponse:
    """Count this visitor's visits."""
    visits = request.session.get("visits", 0) + 1
    request.session["visits"] = visits
    return JsonResponse({"visits": visits})


def basket(request: HttpRequest) -> HttpResponse:
    """Show the basket, or put something into it."""
    items = request.session.setdefault("basket", {})
    if request.method == "POST":
        item = request.POST["item"]
        items[item] = items.get(item, 0) + int(request.POST["count"])
        request.session.modified = True
    return JsonResponse(items)


def logout(request: HttpRequest) -> HttpResponse:
    """Forget this visitor."""
    request.session.flush()
    return HttpResponse()


@cache_page(60)
def report(_request: HttpRequest) -> HttpResponse:
    """Make a page that takes long, the same for everybody."""
    global rendered
    rendered += 1
    return HttpResponse(f"report number {rendered} " * 2000)


urlpatterns = [
    path("visit", visit),
    path("basket", basket),
    path("logout", logout),
    path("report", report),
]

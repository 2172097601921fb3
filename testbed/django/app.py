"""A small Django site, in one file and without a database.

Its pages are the ways in which a web server spends itself: /feed renders a
template (CPU), /inbox waits for a backend, /photo holds memory while it waits,
/seen takes a POST. What they cost is set by the environment:

    SATURATE_POSTS        posts of a feed
    SATURATE_BACKEND_MS   mean time that a backend takes (lognormal, cv .3)
    SATURATE_PHOTO_KIB    memory that a photo holds
    SATURATE_CACHE_MIB    memory that each process keeps
"""

import json
import math
import mmap
import os
import random
import time

from django.conf import settings

settings.configure(
    SECRET_KEY="of no use: nobody signs in here",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    LOGGING_CONFIG=None,
    USE_TZ=True,
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)

import django

django.setup()

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.template import engines
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

POSTS = int(os.environ.get("SATURATE_POSTS", "20"))
BACKEND = float(os.environ.get("SATURATE_BACKEND_MS", "0")) / 1000
PHOTO = int(os.environ.get("SATURATE_PHOTO_KIB", "0")) << 10
CACHE = int(os.environ.get("SATURATE_CACHE_MIB", "0")) << 20

WORDS = "the quick brown fox jumps over a lazy dog & <b>saturates</b> it".split()
SIGMA = math.sqrt(math.log(1 + 0.3**2))

FEED = engines["django"].from_string(
    """<html><title>{{ user|title }}'s feed</title><ul>
{% for post in posts %}<li class="{% cycle 'odd' 'even' %}">
<b>{{ post.author|title }}</b> ({{ post.likes }} like{{ post.likes|pluralize }})
<p>{{ post.text|truncatewords:12 }}</p>
{% if post.comments %}<ol>{% for c in post.comments %}<li>{{ c|capfirst }}</li>{% endfor %}</ol>{% endif %}
</li>{% empty %}<li>nothing yet</li>{% endfor %}</ul></html>"""
)


def memory(size):
    """Anonymous memory, every page touched; the kernel's again when closed."""
    held = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages = len(range(0, size, mmap.PAGESIZE))
    held[:: mmap.PAGESIZE] = b"\1" * pages
    return held


KEPT = memory(CACHE) if CACHE else None


def backend():
    """Wait as long as a backend takes."""
    if BACKEND:
        time.sleep(BACKEND * random.lognormvariate(-SIGMA**2 / 2, SIGMA))


def sentence(n):
    return " ".join(random.choices(WORDS, k=n))


def feed(request):
    n = random.randint(POSTS // 2, POSTS * 3 // 2)
    posts = [
        {
            "author": sentence(2),
            "likes": random.randrange(1000),
            "text": sentence(20),
            "comments": [sentence(4) for _ in range(i % 3)],
        }
        for i in range(n)
    ]
    posts.sort(key=lambda p: p["likes"], reverse=True)
    return HttpResponse(FEED.render({"user": "ann", "posts": posts}, request))


def inbox(request):
    backend()
    return JsonResponse({"messages": [sentence(8) for _ in range(POSTS)]})


def photo(request):
    if not PHOTO:
        return HttpResponse("no photos here")
    held = memory(PHOTO)
    try:
        backend()
        return HttpResponse(str(len(held)))
    finally:
        held.close()


@csrf_exempt
@require_POST
def seen(request):
    return JsonResponse({"seen": json.loads(request.body)["id"]})


def health(request):
    return HttpResponse("ok")


urlpatterns = [
    path("feed", feed),
    path("inbox", inbox),
    path("photo", photo),
    path("seen", seen),
    path("health", health),
]

application = get_wsgi_application()

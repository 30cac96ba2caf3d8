# SPDX-License-Identifier: BSD-3-Clause
"""Flask with sessions in Redis (Flask-Session)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from support.server import FastredisServer
from support.wait import wait_until

flask = pytest.importorskip("flask", reason="Flask is not installed")
flask_session = pytest.importorskip(
    "flask_session", reason="Flask-Session is not installed"
)
redis = pytest.importorskip("redis", reason="redis-py is not installed")


def make_site(store: Any, lifetime: timedelta) -> Any:
    """Return an application that keeps notes in the session."""
    app = flask.Flask("notes")
    app.config.update(
        TESTING=True,
        SESSION_TYPE="redis",
        SESSION_REDIS=store,
        PERMANENT_SESSION_LIFETIME=lifetime,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        flask_session.Session(app)

    @app.post("/login")
    def login() -> Any:
        flask.session["user"] = flask.request.form["user"]
        flask.session["notes"] = []
        return ""

    @app.post("/notes")
    def add() -> Any:
        flask.session["notes"].append(flask.request.form["text"])
        flask.session.modified = True
        return ""

    @app.get("/notes")
    def show() -> Any:
        if "user" not in flask.session:
            return flask.jsonify(None), 401
        return flask.jsonify(user=flask.session["user"], notes=flask.session["notes"])

    @app.post("/logout")
    def logout() -> Any:
        flask.session.clear()
        return ""

    return app


@pytest.fixture
def store(server: FastredisServer) -> Iterator[Any]:
    with redis.Redis(port=server.port) as client:
        yield client


def test_each_visitor_has_a_session(store: Any) -> None:
    site = make_site(store, timedelta(days=1))
    alice, bob = site.test_client(), site.test_client()
    assert alice.get("/notes").status_code == 401
    alice.post("/login", data={"user": "alice"})
    bob.post("/login", data={"user": "bob"})
    for n in range(50):
        alice.post("/notes", data={"text": f"note {n} äöü " * 50})
    bob.post("/notes", data={"text": "mine"})
    assert bob.get("/notes").json == {"user": "bob", "notes": ["mine"]}
    assert len(alice.get("/notes").json["notes"]) == 50
    assert len(store.keys("session:*")) == 2
    alice.post("/logout")
    assert alice.get("/notes").status_code == 401
    assert bob.get("/notes").json["user"] == "bob"


def test_a_session_outlives_the_site(store: Any) -> None:
    first = make_site(store, timedelta(days=1)).test_client()
    first.post("/login", data={"user": "alice"})
    first.post("/notes", data={"text": "kept"})
    cookie = first.get_cookie("session")
    assert cookie is not None
    second = make_site(store, timedelta(days=1)).test_client()
    second.set_cookie("session", cookie.value)
    assert second.get("/notes").json == {"user": "alice", "notes": ["kept"]}


def test_a_session_ends_by_itself(store: Any) -> None:
    client = make_site(store, timedelta(seconds=1)).test_client()
    client.post("/login", data={"user": "alice"})
    (key,) = store.keys("session:*")
    assert 0 < store.pttl(key) <= 1000
    wait_until(lambda: store.dbsize() == 0)
    assert client.get("/notes").status_code == 401


def test_each_request_renews_it(store: Any) -> None:
    client = make_site(store, timedelta(hours=1)).test_client()
    client.post("/login", data={"user": "alice"})
    (key,) = store.keys("session:*")
    store.expire(key, 100)
    client.post("/notes", data={"text": "x"})
    assert store.ttl(key) > 3500

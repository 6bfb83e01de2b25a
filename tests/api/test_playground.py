"""GET / and the playground's files, as a client without a browser sees them; tests/browser/ is the rest."""

import json
import re
from hashlib import sha256
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_reasoning import __version__
from agent_reasoning.api.playground import assets, prefers_html

BROWSERS = [
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "text/html",
    "TEXT/HTML; charset=utf-8",
    "text/html, application/json",
]
PROGRAMS = [
    "",
    "*/*",  # curl, httpx, requests
    "application/json",
    "application/json, text/plain, */*",  # axios
    "application/json, text/html;q=0.9",
    "text/html;q=0.5, */*",
    "text/html;q=0",
    "text/*",
    "image/png",
    ";q=1, text/html;q=nan, */*",
]
OWN = {path: asset for path, asset in assets().items() if not path.startswith("vendor/")}


@pytest.mark.parametrize("accept", BROWSERS)
def test_a_browser_gets_the_playground(client, accept):
    response = client.get("/", headers={"accept": accept})

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["vary"] == "accept"
    assert "<title>agent-reasoning" in response.text


@pytest.mark.parametrize("accept", PROGRAMS)
def test_a_program_gets_server_info(client, accept):
    response = client.get("/", headers={"accept": accept})

    info = response.json()
    assert (response.status_code, response.headers["vary"]) == (200, "accept")
    assert (info["name"], info["version"]) == ("agent-reasoning", __version__)
    assert {task["name"] for task in info["tasks"]} == {task["name"] for task in client.get("/tasks").json()}


def test_all_that_the_server_info_names_is_there(client):
    info = client.get("/").json()

    paths = set(client.get("/openapi.json").json()["paths"])
    links = set(info["links"].values())
    assert links - {"/docs", "/openapi.json"} <= paths
    assert {"/reason", "/tasks", "/models", "/events", "/docs", "/openapi.json"} <= links
    assert all(client.get(task["url"]).json()["name"] == task["name"] for task in info["tasks"])
    assert client.get("/docs").status_code == 200


@given(st.text(st.sampled_from("texthmlapicon/*,;=q.01 \t"), max_size=60))
def test_any_accept_header_is_decided(accept):
    assert prefers_html(accept) in (True, False)


@pytest.mark.parametrize("path", ["/", "/static/main.js"])
def test_a_monitor_may_ask_for_the_head_alone(client, path):
    assert client.head(path, headers={"accept": "text/html"}).status_code == 200


def test_nothing_but_the_pages_own_files_may_run_or_be_loaded(client):
    response = client.get("/", headers={"accept": "text/html"})

    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert response.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", response.text)


@pytest.mark.parametrize("path", ["/", "/static/main.js", "/static/style.css"])
def test_a_browser_that_has_a_file_is_told_so(client, path):
    html = {"accept": "text/html"}
    tag = client.get(path, headers=html).headers["etag"]

    again = client.get(path, headers={**html, "if-none-match": f'"other", W/{tag}'})
    other = client.get(path, headers={**html, "if-none-match": '"other"'})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert again.headers["cache-control"] == other.headers["cache-control"] == "no-cache"
    assert other.status_code == 200


def test_files_of_different_contents_have_different_tags():
    by_tag = {asset.tag: asset.body for asset in assets().values()}

    assert all(by_tag[asset.tag] == asset.body for asset in assets().values())


@pytest.mark.parametrize("path", ["nothing.js", "../app.py", "%2e%2e/app.py", "..%2fapp.py", "/etc/passwd", ""])
def test_there_is_nothing_else_to_be_had(client, path):
    response = client.get(f"/static/{path}")

    assert response.status_code == 404
    if path == "nothing.js":
        assert response.headers["content-type"] == "application/problem+json"


def references():
    for path, asset in OWN.items():
        folder, text = PurePosixPath(path).parent, asset.body.decode()
        if path.endswith(".js"):
            for found in re.findall(r'(?:\bfrom|\bimport\()\s*"([^"]+)"', text):
                yield path, str(folder / found)
        for found in re.findall(r'(?:src|href)="(static/[^"]+)"', text):
            yield path, found.removeprefix("static/")


def normal(path):
    parts = []
    for part in PurePosixPath(path).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def test_every_file_that_is_referred_to_is_there_and_every_file_is_referred_to():
    wanted = {normal(path) for _, path in references()}

    assert len(wanted) > 20
    assert wanted <= set(assets())
    assert {path for path in assets() if path.endswith((".js", ".css"))} <= wanted


def test_the_page_refers_to_no_other_host():
    for path, asset in OWN.items():
        urls = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", asset.body.decode().replace("http://www.w3.org/", "")))
        assert not urls, path


def test_vendored_libraries_are_those_of_their_makers():
    listed = json.loads(assets()["vendor/versions.json"].body)

    vendored = {
        path.removeprefix("vendor/") for path in assets() if path.startswith("vendor/") and path.endswith(".js")
    }
    assert vendored == set(listed)
    for name, made in listed.items():
        assert sha256(assets()[f"vendor/{name}"].body).hexdigest() == made["sha256"]
        assert f"vendor/LICENSE.{name.removesuffix('.js')}.txt" in assets()
        assert made["version"]
        assert made["licence"]

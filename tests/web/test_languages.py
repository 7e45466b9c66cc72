"""The pages speak the reader's language; what people and alerts write is shown as it is."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Message
from starlette.routing import Route

from alertrouter.deliveries import NotPossibleError, Trigger, check_discard, check_retry
from alertrouter.timeline import reason, sentence
from alertrouter.web.languages import choose, say_in
from processes import notification
from serving import Running, running
from tools import translations

PORTUGUESE = {"Accept-Language": "pt-BR,pt;q=0.9,en;q=0.5"}
TRIGGER = Trigger("dead", unsure=False, key_fingerprint=None)
PLACES = re.compile(r"%\(\w+\)s|</?code>")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("en-US,en;q=0.9", "en"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt-BR"),
        ("pt", "pt-BR"),
        ("PT-pt;q=0.3, EN;q=0.2", "pt-BR"),
        ("de-DE,de;q=0.9,pt;q=0.4,en;q=0.3", "pt-BR"),
        ("en;q=0.4,pt;q=0.5", "pt-BR"),
        ("pt;q=0, en", "en"),
        ("pt;q=0", "en"),
        ("*", "en"),
        ("ja", "en"),
        ("pt;q=oops, en;q=0.1", "en"),
        (",;;q==,\x00pt", "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_likes_best(header: str, language: str) -> None:
    assert choose(header) == language


@pytest.mark.parametrize("path", translations.CATALOGUES, ids=lambda path: path.parent.parent.name)
class TestCatalogue:
    """One language."""

    def test_every_text_is_translated_and_none_is_left_over(self, path: Path) -> None:
        catalogue, texts = translations.read(path), translations.extracted()
        assert {text.id for text in texts if text.id} == {text.id for text in catalogue if text.id}, "run `make translations`"
        assert [text.id for text in catalogue if text.id and (text.fuzzy or not all(said(text)))] == []

    def test_translations_have_the_places_of_their_texts(self, path: Path) -> None:
        for text in translations.read(path):
            originals = text.id if isinstance(text.id, tuple) else (text.id,)
            for original, translated in zip(originals, said(text), strict=True):
                assert sorted(PLACES.findall(str(original))) == sorted(PLACES.findall(translated)), original

    def test_what_is_read_at_run_time_is_what_was_written(self, path: Path) -> None:
        assert path.with_suffix(".mo").read_bytes() == translations.compiled(translations.read(path)), "run `make translations`"


def said(text: Message) -> tuple[str, ...]:
    """The translations of a text: one, or one for each number."""
    found = text.string if isinstance(text.string, tuple | list) else (text.string,)
    return tuple(str(one) for one in found)


async def opened(router: Running) -> str:
    body = notification("HighErrorRate")
    body["alerts"][0]["annotations"] = {"summary": "Nobody has it yet"}  # a text of ours, written by somebody else
    [incident] = (await router.post(body)).json()["incidents"]
    await router.settled()
    return str(incident)


async def test_pages_are_in_portuguese_for_who_reads_it_and_the_alerts_words_stay(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        one = await opened(router)
        home = await router.http.get("/", headers=PORTUGUESE)
        assert (home.headers["content-language"], home.headers["vary"]) == ("pt-BR", "Accept-Language, Accept-Encoding")
        assert '<html lang="pt-BR">' in home.text
        for text in ("1 incidente em aberto", "ninguém assumiu ainda", "A seguir:", "crítico", "em 15 min", "Nobody has it yet"):
            assert text in home.text
        page = (await router.http.get(f"/incidents/{one}", headers=PORTUGUESE)).text
        for text in ("Linha do tempo", "Aberto por HighErrorRate", "Assumir", "15 min após a abertura", "disparo", "entregue"):
            assert text in page
        english = await router.http.get("/")
        assert "nobody has it yet" in english.text
        assert english.headers["content-language"] == "en"


@pytest.mark.parametrize(
    "path", ["/", "/?status=resolved", "/incidents/ID", "/runbooks", "/runbooks?q=nada", "/runbooks/coverage", "/report"]
)
async def test_no_text_of_ours_is_left_in_english(path: str, url: str, tmp_path: Path) -> None:
    catalogue = {text.id: said(text)[0] for text in translations.read(translations.CATALOGUES[0]) if isinstance(text.id, str)}
    english = {text for text, translated in catalogue.items() if text and " " in text and text != translated and "%" not in text}
    async with running(url, tmp_path) as router:
        one = await opened(router)
        await router.http.post(f"/api/v1/incidents/{one}/acknowledge", json={"by": "Ana"})
        page = (await router.http.get(path.replace("ID", one), headers=PORTUGUESE)).text.replace("Nobody has it yet", "")
    shown = re.sub(r"<[^>]*>", "\n", page)
    assert [text for text in english if text in shown] == []


async def test_errors_are_pages_in_the_same_language(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        page = await router.http.get("/incidents/00000000000000000000000000", headers=PORTUGUESE)
        assert (page.status_code, "Não existe esse incidente." in page.text) == (404, True)
        page = await router.http.get("/runbooks/for/<b>", headers=PORTUGUESE)
        assert "Sem runbook para &lt;b&gt;" in page.text
        page = await router.http.get("/report?zone=Brasil", headers=PORTUGUESE)
        assert "zone: &#39;Brasil&#39; não é um fuso horário" in page.text


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "error", "erro"),
    [
        ("GET", "/nowhere", {}, 404, "there is nothing at /nowhere", "Não há nada em /nowhere."),
        ("GET", "/static/no.css", {}, 404, "there is nothing at /static/no.css", "Não há nada em /static/no.css."),
        ("DELETE", "/report", {}, 405, "/report takes GET, HEAD and not DELETE", "/report aceita GET, HEAD e não DELETE."),
        ("POST", "/", {"Origin": "http://evil.test"}, 403, "This was sent by a page of another site", "página de outro site"),
        ("GET", "/broken", {}, 500, "an unexpected error; the log of alertrouter says more", "Um erro inesperado"),
    ],
)
async def test_what_nobody_answers_is_a_page_for_browsers_and_json_for_programs(
    method: str, path: str, headers: dict[str, str], status: int, error: str, erro: str, url: str, tmp_path: Path
) -> None:
    browser = {**PORTUGUESE, "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with running(url, tmp_path) as router:
        transport: Any = router.http._transport
        transport.raise_app_exceptions = False
        transport.app.router.routes.append(Route("/broken", lambda _: 1 // 0))
        program = await router.http.request(method, path, headers=headers)
        page = await router.http.request(method, path, headers={**headers, **browser})
    assert (program.status_code, program.json()["error"][: len(error)]) == (status, error)
    assert (page.status_code, erro in page.text, '<a class="button" href="/">' in page.text) == (status, True, True), page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (lambda: check_discard("sent"), "“entregue”"),
        (lambda: check_retry("trigger", "superseded", TRIGGER, is_open=True, is_acknowledged=False), "“dispensado”"),
        (lambda: check_retry("acknowledge", "dead", TRIGGER, is_open=False, is_acknowledged=True), "o reconhecimento dele"),
        (lambda: check_retry("resolve", "dead", TRIGGER, is_open=False, is_acknowledged=True), "o disparo está recusado"),
    ],
)
def test_what_cannot_be_done_to_a_delivery_is_said_without_a_word_of_english(refused: Callable[[], None], words: str) -> None:
    with pytest.raises(NotPossibleError) as problem:
        refused()
    assert words in problem.value.said(say_in("pt-BR"))


async def test_who_has_to_sign_in_is_told_so_in_the_same_language(url: str, tmp_path: Path) -> None:
    async with running(
        url, tmp_path, {"ALERTROUTER_AUTH": "basic", "ALERTROUTER_AUTH_USERS": f"ana:$2b$04${'x' * 53}"}
    ) as router:
        page = await router.http.get("/", headers=PORTUGUESE)
    assert (page.status_code, "Estas páginas pedem um nome e uma senha." in page.text) == (401, True)
    assert page.headers["www-authenticate"].startswith("Basic")


def test_names_in_sentences_are_no_templates() -> None:
    say = say_in("pt-BR")
    assert sentence("acknowledged", {"by": "%(x)s {y}"}, say) == "Assumido por %(x)s {y}"
    assert reason("resolved by Ana", say) == "resolvido por Ana"
    assert reason("anything that somebody wrote", say) == "anything that somebody wrote"

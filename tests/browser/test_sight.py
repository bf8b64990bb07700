"""The eyes of the browser tests see what is wrong."""

from __future__ import annotations

import pytest

from browser.sight import DESKTOP, PHONE, axe, fits, pages

GOOD = "<!doctype html><html lang=fr><title>Nuit</title><main><h1>La nuit du 13</h1>{}</main></html>"


def test_a_good_page_passes_both_looks(open_page):
    page = open_page(PHONE)
    page.set_content(GOOD.format("<p>Rien à signaler.</p>"))
    axe(page)
    fits(page)
    assert page.evaluate("navigator.language") == "fr-CA"


def test_an_image_without_words_is_told_with_its_place(open_page):
    page = open_page(DESKTOP, "en-CA")
    page.set_content(GOOD.format("<img id=plot src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>"))
    with pytest.raises(AssertionError, match=r"image-alt \(critical\): #plot"):
        axe(page)


def test_a_page_wider_than_its_screen_is_told_with_what_sticks_out(open_page):
    page = open_page(PHONE)
    page.set_content(GOOD.format("<p style='width: 500px'>trop large</p>"))
    with pytest.raises(AssertionError, match="p trop large"):
        fits(page)
    page.set_content(GOOD.format("<div style='overflow-x: auto'><p style='width: 500px'>dans sa boîte</p></div>"))
    fits(page)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("console.error('mal')", "error: mal"),
        ("setTimeout(() => { throw new Error('jeté') })", "jeté"),
        ("fetch('https://example.test/suivi').catch(() => 0)", "asked for https://example.test"),
        ("fetch('http://192.0.2.7/suivi').catch(() => 0)", "asked for http://192.0.2.7"),
    ],
    ids=["error", "thrown", "name", "address"],
)
def test_a_page_that_complains_or_calls_outside_is_noticed(chromium, script, told):
    with pytest.raises(AssertionError, match=told), pages(chromium) as opened:
        page = opened()
        page.set_content(GOOD.format("<p>…</p>"))
        page.evaluate(f"() => {{ {script} }}")
        page.wait_for_timeout(100)


def test_a_page_that_says_no_is_no_complaint_and_what_it_lacks_is_one(chromium):
    with pytest.raises(AssertionError) as told, pages(chromium) as opened:
        page = opened()
        whole = GOOD.format("<img alt='' src=/gone.png>")
        page.route("**/*", lambda route: route.fulfill(status=404, content_type="text/html", body=whole))
        assert page.goto("http://127.0.0.1:9/gone").status == 404
    assert [line.rpartition("/")[2] for line in str(told.value).splitlines()] == ["gone.png)"]

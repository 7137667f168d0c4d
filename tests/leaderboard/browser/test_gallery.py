"""The gallery: every choice is in the address, keys change it, and the pictures are there without scripts."""

from __future__ import annotations

from pathlib import Path

from tests.leaderboard.browser.conftest import Visit, wait_until


def test_the_address_keeps_image_models_zoom_and_map(site: Path, visit: Visit) -> None:
    page = visit(site, "gallery.html#image=grass&models=pan-authors bicubic&zoom=2&map=error")
    chosen = page.locator("#gallery select").evaluate_all("(all) => all.map((one) => one.value)")
    assert chosen == ["pan-authors", "bicubic"]
    assert page.locator("#gallery .error .truth").count() == 2
    assert "scale(2)" in page.locator("#gallery .view img").first.get_attribute("style")
    page.keyboard.press("ArrowRight")
    wait_until(page, "location.hash.includes('image=gravel')")
    page.keyboard.press("e")
    wait_until(page, "!location.hash.includes('map=error')")


def test_scales_that_a_picture_lacks_are_left_out(site: Path, visit: Visit) -> None:
    page = visit(site, "gallery.html#image=grass&scale=2&models=pan-authors bicubic")
    assert page.locator('#gallery-form [name="scale"]').input_value() == "4"
    assert "scale=4" in page.url


def test_unknown_names_in_the_address_are_left_out(site: Path, visit: Visit) -> None:
    page = visit(site, "gallery.html#image=nope&models=nope imdn-authors&zoom=99")
    chosen = page.locator("#gallery select").evaluate_all("(all) => all.map((one) => one.value)")
    assert chosen[0] == "imdn-authors" and len(chosen) == 2
    assert "zoom=1" in page.url or "zoom=1" in page.evaluate("location.hash")


def test_without_scripts_every_image_has_its_crops(site: Path, visit: Visit) -> None:
    page = visit(site, "gallery.html", scripts=False)
    assert page.locator("#gallery-static section").count() == 10
    captions = page.locator("#gallery-static section").first.locator("figcaption").all_text_contents()
    assert captions[:3] == ["HR", "HR", "LR"] and " dB" in captions[3]

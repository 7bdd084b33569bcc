"""The page: self-contained, escaped, the same twice, and showing what it was given."""

import base64
import io
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import av
import pytest

from dvdgan.reporting.page import MOST_ROWS, render

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = '<script>alert("x")</script>'
EXTERNAL = ("src", "href", "poster", "data", "action", "srcset", "xlink:href")


class Elements(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def page(content):
    return render(content)


def test_it_loads_nothing_from_elsewhere(page):
    for tag, attributes in Elements(page).found:
        for name in EXTERNAL:
            target = attributes.get(name)
            assert target is None or target.startswith(("data:", "#")), (tag, name, target)
    assert not re.search(r"@import|url\((?![\"']?(#|data:))", page)


def test_names_from_outside_stay_text(page):
    elements = Elements(page)
    # The numbers of the charts, uPlot and the page's own.
    assert sum(tag == "script" for tag, _ in elements.found) == 3
    assert "alert(" in elements.text
    assert HOSTILE not in page


def test_equal_content_gives_equal_bytes(content, page):
    assert render(content) == page


def test_every_number_stands_under_its_full_name(page, measured):
    text = Elements(page).text
    for metrics in (measured["generated"], *measured["controls"].values()):
        for metric in metrics.values():
            assert metric["name"] in text
    assert "37.5 to 45.9" in text  # of the FVD
    for number in ("0.625", "3.21", "4.32"):  # of a class
        assert number in text
    assert measured["warnings"][0] in text
    for words in ("clip:\n  resolution: 32", "rolled back", "FVD 3.4 times the best", "x86_64"):
        assert words in text


def test_videos_are_real_mp4_that_loop_muted(page, content):
    videos = [attributes for tag, attributes in Elements(page).found if tag == "video"]
    sheets = [*content.sheets, *content.previews]
    assert len(videos) == 2 * len(content.samples) + len(sheets)
    assert all({"loop", "muted", "playsinline", "aria-label"} <= each.keys() for each in videos)
    encoded = videos[0]["src"].removeprefix("data:video/mp4;base64,")
    with av.open(io.BytesIO(base64.b64decode(encoded))) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 12
    # Six clips of 32 pixels, enlarged four times, 4 pixels of grey between and around.
    assert frames[0].shape == (128 + 8, 6 * 132 + 4, 3)


def test_a_run_that_has_little_to_show_has_a_page_too(content):
    alone = {"generated": content.measured["generated"]}
    bare = replace(
        content, measured=alone, sheets={}, previews=[], telemetry=[], ledger=[], refused=[]
    )
    bare = replace(bare, samples=[replace(bare.samples[0], real=None)])
    text = Elements(render(bare)).text
    assert "FVD is 41.7, accuracy is 0.71 (at least 0.9 is needed)." in text
    assert "0 files refused" in text


def test_memorisation_is_in_words_and_numbers(content, page):
    text = " ".join(Elements(page).text.split())
    assert "nearer to the training clips than a real test clip does in 41.7% of all pairs" in text
    assert "3.1% of them lie nearer than the nearest 5% of test clips" in text
    assert "Nearest training clips: the generated videos are too far" in text
    assert "Between latents, the largest of 7 steps is 1.61 times the mean step" in text
    content.measured["generated"]["precision"] = content.measured["generated"]["accuracy"]
    assert "Nearest training clips: no sign of memorising." in Elements(render(content)).text
    [memorisation] = content.measured["memorisation"].values()
    memorisation["nearest"]["memorising"] = True
    assert "Nearest training clips: the model repeats" in Elements(render(content)).text


def test_without_test_clips_memorising_is_left_to_the_eye(content):
    [memorisation] = content.measured["memorisation"].values()
    del memorisation["nearest"]
    text = Elements(render(content)).text
    assert "of all pairs" not in text and "Is it memorising?" in text


def test_long_tables_are_cut_with_a_note(content):
    row = {"path": "p", "reason": "not_a_video", "detail": "cut me"}
    event = {"event": "not_evaluated", "step": 1}
    page = render(replace(content, refused=[row] * 300, ledger=[event] * 300))
    assert page.count("cut me") == MOST_ROWS == page.count("<td>not evaluated</td>")
    assert "300 not a video" in page
    assert "The first 200 of 300 events" in page


def test_every_table_has_a_caption_and_every_head_a_scope(page):
    found = Elements(page).found
    tables, captions = (sum(tag == each for tag, _ in found) for each in ("table", "caption"))
    assert tables == captions > 5
    assert all("scope" in attributes for tag, attributes in found if tag == "th")


def test_every_measured_checkpoint_has_a_row(page, content):
    text = " ".join(Elements(page).text.split())
    assert "All 4 measured checkpoints" in text
    for record in content.ledger:
        if record["event"] == "evaluated":
            assert f"{record['metrics']['FID']:.3g}" in text


def test_two_points_are_no_chart(content):
    few = [record for record in content.ledger if record.get("step", 0) < 90]
    page = render(replace(content, ledger=few, telemetry=content.telemetry[:2]))
    assert not [each for _, each in Elements(page).found if "data-chart" in each]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page in")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_draws_the_charts_and_the_page_fits(page, tmp_path, width):
    script = (
        "<script>addEventListener('load', () => requestAnimationFrame(() => setTimeout(() => "
        "document.body.dataset.found = [innerWidth, document.documentElement.scrollWidth, "
        "document.querySelectorAll('.uplot canvas').length, "
        "document.querySelectorAll('.stepper figure:not([hidden])').length].join(), 200)))</script>"
    )
    (tmp_path / "page.html").write_text(page.replace("</body>", f"{script}</body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000"]
    command = [str(CHROMIUM), *options, f"--user-data-dir={tmp_path / 'profile'}"]
    command += [f"--window-size={width},900", "--dump-dom", (tmp_path / "page.html").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    [found] = re.findall(r'data-found="([\d,]+)"', shown)
    inner, scrolled, charts, sheets = map(int, found.split(","))
    assert scrolled <= inner
    assert charts == 3  # the others are folded
    assert page.count("data-chart=") == 6
    assert sheets == 1

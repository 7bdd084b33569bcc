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
    assert "FVD is 41.7." in text
    assert "accuracy 0.71, at least 0.9: not met" in text
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


def test_what_went_wrong_in_training_stands_on_top_and_among_the_events(page, content):
    text = " ".join(Elements(page).text.split())
    top, _, _ = text.partition("Videos of each class")
    assert "Collapse at step 90 (FVD is high): training went back to step 60, learning" in top
    end = {"event": "ended_early", "reached": 120, "step": 60, "reasons": ["out of rollbacks"]}
    ended = render(replace(content, ledger=[*content.ledger, end]))
    line = "ended early at step 120; the best checkpoint is step 60: out of rollbacks"
    assert Elements(ended).text.count(line) == 2
    calm = [event for event in content.ledger if event["event"] != "rolled_back"]
    assert "Collapse at" not in render(replace(content, ledger=calm))


def test_a_checkpoint_with_nothing_finite_is_shown_as_such(content):
    dead = {"event": "evaluated", "step": 150, "verdict": "collapsed", "reasons": ["not finite"]}
    dead |= {"metrics": {"FID": None, "FVD": None, "IS": None}}
    text = " ".join(Elements(render(replace(content, ledger=[*content.ledger, dead]))).text.split())
    assert "All 5 measured checkpoints" in text
    assert "150–––collapsed" in text
    assert "FVD –, FID –, IS –; not finite" in text


def test_a_checkpoint_that_was_rolled_back_is_not_the_best_one(content):
    again = {"event": "evaluated", "step": 90, "verdict": "healthy", "reasons": []}
    again |= {"metrics": {"FID": 1.0, "FVD": 9.0, "IS": 2.0}}
    text = Elements(render(replace(content, ledger=[*content.ledger, again]))).text
    rows = [line.strip() for line in text.splitlines() if re.match(r"(30|60|90|120)\d", line)]
    ends = [row.lstrip("0123456789.,") for row in rows if "healthy" in row or "suspect" in row]
    assert ends == [
        "healthy best so far",
        "healthy best so far",
        "suspect rolled back",
        "healthy rolled back",
        "healthy best so far",
    ]


def opened(page, folder, width):
    """What a browser of ``width`` px makes of the page, once it has moved the slider to its start.

    Chromium's own window is at least 500 px wide, a frame in it is not.
    """
    script = """
      addEventListener("load", () => setTimeout(() => {
        const {contentDocument: page, contentWindow: view} = document.querySelector("iframe");
        const all = words => [...page.querySelectorAll(words)];
        const charts = all(".uplot canvas").length, root = page.documentElement;
        const slider = page.querySelector(".stepper input");
        slider.value = 0;
        slider.dispatchEvent(new view.Event("input"));
        const sheets = all(".stepper figure:not([hidden]) figcaption").map(each => each.innerText);
        document.body.dataset.found = [view.innerWidth, root.scrollWidth, root.scrollHeight,
                                       charts, ...sheets].join(";");
      }, 400));"""
    frame = f'<iframe src="page.html" width="{width}" height="844" style="border:0"></iframe>'
    (folder / "page.html").write_text(page)
    (folder / "frame.html").write_text(f"<body>{frame}<script>{script}</script></body>")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    options += ["--virtual-time-budget=4000", f"--user-data-dir={folder / 'profile'}"]
    command = [str(CHROMIUM), *options, "--window-size=1400,900", "--dump-dom"]
    command.append((folder / "frame.html").as_uri())
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    [found] = re.findall(r'data-found="([^"]+)"', shown)
    inner, scrolled, height, charts, *sheets = found.split(";")
    return int(inner), int(scrolled), int(height), int(charts), sheets


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page in")
@pytest.mark.parametrize(("width", "highest"), [(1280, 9000), (390, 9000)])
def test_a_browser_draws_the_charts_and_twelve_classes_fit(content, tmp_path, width, highest):
    samples = [replace(content.samples[0], name=f"class_{place}") for place in range(12)]
    page = render(replace(content, samples=samples))
    inner, scrolled, height, charts, sheets = opened(page, tmp_path, width)
    assert inner == width
    assert scrolled <= inner
    assert height <= highest
    assert charts == 3  # the others are folded
    assert page.count("data-chart=") == 6
    assert sheets == ["after 40 steps"]
    assert "6 more classes" in page

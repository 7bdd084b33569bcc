"""`dvdgan serve` over HTTP and in a browser: what it makes, what it refuses, how it ends."""

import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import uvicorn

import dvdgan.serving.application as serving
from dvdgan.errors import UserError
from dvdgan.export.bundle import BundleSource, write_bundle
from dvdgan.export.sampler import Sampler
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.generator import Generator
from dvdgan.models.latent import Truncation
from dvdgan.models.spectral import bake
from dvdgan.serving.server import listening_socket
from dvdgan.video.encode import encode_mp4

CLASSES = ["bend", "<b>jack</b>"]
SIDE, T, GIVEN = 32, 4, 2
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
Answer = tuple[int, bytes]


def sampler(**changes: int) -> Sampler:
    torch.manual_seed(1)
    sizes = {"classes": 2, "resolution": SIDE, "frames": T, "channels": 1, "latent_dim": 8}
    generator = Generator(GeneratorArchitecture(**(sizes | changes))).eval()
    bake(generator)
    return Sampler(generator, CLASSES, fps=12.5)


@contextmanager
def served(model: Sampler) -> Iterator[int]:
    """The port of a running server."""
    application = serving.application(model, "the bundle")
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning"))
    with listening_socket(0) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(30)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def synthesis() -> Iterator[int]:
    with served(sampler()) as port:
        yield port


@pytest.fixture(scope="module")
def prediction() -> Iterator[int]:
    with served(sampler(classes=0, conditioning_frames=GIVEN, encoder_channels=1)) as port:
        yield port


def request(
    port: int, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET" if body is None else "POST", path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def video(answer: Answer, folder: Path) -> np.ndarray:
    """(frames, H, W, 3) of an answer."""
    status, content = answer
    assert status == 200, content
    (folder / "answer.mp4").write_bytes(content)
    with av.open(str(folder / "answer.mp4")) as container:
        return np.stack([each.to_ndarray(format="rgb24") for each in container.decode(video=0)])


def enlarged(clip: torch.Tensor) -> np.ndarray:
    return np.kron(clip.permute(0, 2, 3, 1).numpy(), np.ones((1, 4, 4, 1), np.uint8))


def upload(frames: int = 3, side: int = SIDE) -> bytes:
    levels = np.arange(side, dtype=np.uint8) % 200
    return encode_mp4(np.broadcast_to(levels[:, None], (frames, side, side, 3)), 10)


def test_samples_are_those_of_the_sampler(synthesis: int, tmp_path: Path) -> None:
    made = video(request(synthesis, "/samples?label=1&seed=3&count=2&truncation=1.5"), tmp_path)
    assert made.shape == (T, 4 * SIDE + 4, 2 * (4 * SIDE + 2) + 2, 3)
    cell = made[:, 2 : 2 + 4 * SIDE]
    expected = sampler().sample(torch.tensor([1, 1]), 3, truncation=Truncation(1.5))
    for number, clip in enumerate(expected):
        left = 2 + number * (4 * SIDE + 2)
        shown = cell[:, :, left : left + 4 * SIDE].astype(int)
        distance, other = (
            np.abs(shown - enlarged(each)).mean() for each in (clip, expected[1 - number])
        )
        assert distance < 5 and distance < other / 2


@pytest.mark.parametrize("to", ["", "&to=0"])
def test_an_interpolation_plays_its_clips_in_turn(synthesis: int, tmp_path: Path, to: str) -> None:
    made = video(request(synthesis, f"/interpolation?label=1&seed=3&steps=5{to}"), tmp_path)
    assert len(made) == 5 * T
    ends = sampler().sample(torch.tensor([1, 0 if to else 1]), 3)
    if to:  # the same latent in both classes
        ends = torch.cat([ends[:1], sampler().sample(torch.tensor([0]), 3)])
    pixels = made[:, -2 - 4 * SIDE : -2, 2 : 2 + 4 * SIDE].astype(int)
    assert np.abs(pixels[:T] - enlarged(ends[0])).mean() < 6
    assert np.abs(pixels[-T:] - enlarged(ends[1])).mean() < 6


def test_an_uploaded_video_is_continued(prediction: int, tmp_path: Path) -> None:
    made = video(request(prediction, "/continuation?seed=0&count=2", upload()), tmp_path)
    assert len(made) == T
    cell = made[:, 2 : 2 + 4 * SIDE, 2 : 2 + 4 * SIDE].astype(int)
    levels = np.kron(np.arange(SIDE), np.ones(4))[:, None]
    assert np.abs(cell[:GIVEN] - levels).mean() < 4
    assert np.abs(cell[GIVEN:] - levels).mean() > 20


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/samples?label=2&seed=0", 422, "classes 0 to 1"),
        ("/samples?label=0&seed=-1", 422, "greater than or equal to 0"),
        ("/samples?label=0&seed=2147483648", 422, "less than or equal to 2147483647"),
        ("/samples?label=0&seed=0&count=17", 422, "less than or equal to 16"),
        ("/samples?label=0&seed=0&truncation=nan", 422, "truncation"),
        ("/samples?label=0&seed=0&truncation=0", 422, "greater than 0"),
        ("/interpolation?label=0&seed=0&steps=33", 422, "less than or equal to 32"),
        ("/interpolation?label=0&seed=0&to=2", 422, "classes 0 to 1"),
        ("/samples?label=bend&seed=0", 422, "valid integer"),
        ("/samples", 422, "label"),
        ("/../../etc/passwd", 404, "Not Found"),
        ("/docs", 404, "Not Found"),
    ],
)
def test_what_is_out_of_bounds_is_refused(
    synthesis: int, path: str, status: int, words: str
) -> None:
    answer = request(synthesis, path)
    assert answer[0] == status
    assert words in answer[1].decode()


def test_uploads_are_bounded_and_must_be_videos(
    prediction: int, synthesis: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/continuation?seed=0"
    assert request(prediction, path, b"no video")[0] == 400
    status, content = request(prediction, path, upload(frames=1))
    assert status == 400 and b"has 1 frames, but the model continues 2" in content
    monkeypatch.setattr(serving, "MOST_PIXELS", 63 * 64)
    status, content = request(prediction, path, upload(side=64))
    assert status == 400 and b"at most 4032 pixels" in content
    monkeypatch.setattr(serving, "MOST_UPLOADED", 2**20)
    status, content = request(prediction, path, bytes(2**20 + 1))
    assert status == 413 and b"at most 1 MiB" in content
    assert request(synthesis, path, upload())[0] == 422
    assert request(prediction, "/samples?label=0&seed=0")[0] == 422


def test_other_sites_are_refused(synthesis: int) -> None:
    path = "/samples?label=0&seed=0&count=1"
    assert request(synthesis, path, headers={"Host": "evil.example"})[0] == 400
    assert request(synthesis, path, headers={"Origin": "https://evil.example"})[0] == 403
    assert request(synthesis, path, headers={"Origin": f"http://127.0.0.1:{synthesis}"})[0] == 200


def test_no_more_than_a_few_requests_wait(synthesis: int, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    original = serving.sampling.class_samples

    def held(*words: object) -> object:
        begun.set()
        assert go_on.wait(60)
        return original(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(serving.sampling, "class_samples", held)
    monkeypatch.setattr(serving, "MOST_WAITING", 0)
    answers: list[int] = []
    path = "/samples?label=0&seed=0&count=1"
    first = threading.Thread(target=lambda: answers.append(request(synthesis, path)[0]))
    first.start()
    assert begun.wait(60)
    assert request(synthesis, path)[0] == 503
    assert request(synthesis, "/model")[0] == 200
    go_on.set()
    first.join()
    assert answers == [200]


def test_it_ends_with_0_at_a_signal_and_names_a_port_that_is_taken(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    made = sampler()
    source = BundleSource(made.generator.architecture, CLASSES, torch.tensor([0, 1]), fps=12.5)
    write_bundle(made, source, {}, bundle)
    words = [sys.executable, "-m", "dvdgan", "serve", str(bundle), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found is not None
        port = found[1]
        facts = json.loads(request(int(port), "/model")[1])
        assert facts["classes"] == CLASSES and facts["resolution"] == SIDE
        with pytest.raises(UserError, match=f"port {port} of 127.0.0.1 cannot be used"):
            listening_socket(int(port))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stdout.read() == "serve: stopped\n"


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_the_page_shows_a_video_in_a_browser(synthesis: int, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    words += [f"--user-data-dir={tmp_path}", "--timeout=20000", "--virtual-time-budget=20000"]
    done = subprocess.run(
        [*words, f"http://127.0.0.1:{synthesis}/"], capture_output=True, text=True, timeout=120
    )
    page = done.stdout
    assert '<h1 id="name">the bundle</h1>' in page
    assert "Makes videos of 4 frames, 32 × 32 pixels" in page
    assert '<option value="1">&lt;b&gt;jack&lt;/b&gt;</option>' in page  # text, not markup
    assert re.search(r'<video id="result"[^>]* src="blob:http://127', page)
    assert 'class="error"' not in page
    assert "Continuation" not in page

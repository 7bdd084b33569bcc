"""The page of `dvdgan serve` and the requests it makes: videos in, videos out, all bounded."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import FileResponse, JSONResponse

from dvdgan.errors import UserError
from dvdgan.export import sampling
from dvdgan.export.sample_files import encoded
from dvdgan.export.sample_grid import CaptionedClips, SampleGrid
from dvdgan.export.sampler import Sampler
from dvdgan.export.sampling import Draws
from dvdgan.models.latent import Truncation

PAGE = Path(__file__).with_name("page.html")

# What one request may ask for.
MOST_CLIPS = 16
MOST_STEPS = 32
HIGHEST_SEED = 2**31 - 1
HIGHEST_TRUNCATION = 2.0
MOST_UPLOADED = 64 * 2**20
"""Bytes of a video to continue."""
MOST_PIXELS = 4096 * 2304
"""Of one of its frames."""
MOST_WAITING = 8
"""Waiting requests, in addition to the one being processed."""

SHOWN_SIDE = 128
"""Pixels: smaller clips are enlarged by a whole factor, since a browser would blur them."""

# The page loads nothing from elsewhere, and no other site may frame it.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; media-src blob:; "
    "img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

LabelQuery = Annotated[int, Query(ge=0)]
SeedQuery = Annotated[int, Query(ge=0, le=HIGHEST_SEED)]
CountQuery = Annotated[int, Query(ge=1, le=MOST_CLIPS)]
StepsQuery = Annotated[int, Query(ge=2, le=MOST_STEPS)]
LevelQuery = Annotated[float, Query(gt=0, le=HIGHEST_TRUNCATION, allow_inf_nan=False)]
Call = Callable[[Request], Awaitable[Response]]


def application(sampler: Sampler, name: str) -> FastAPI:
    """The web application of one model. ``name``: of its bundle, shown on the page.

    GET /: the page. GET /model: what the model is, as JSON. GET /samples, GET /interpolation, POST
    /continuation (the body is a video file): H.264 mp4. What is out of bounds is answered with 413
    or 422, a video that cannot be read with 400, more than MOST_WAITING requests with 503, and
    requests that another site makes through the browser with 400 or 403.
    """
    app = FastAPI(title="dvdgan serve", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    app.middleware("http")(_own_requests_only)
    app.exception_handler(UserError)(_refused)
    turns = Turns()

    def known(label: int) -> str:
        if label >= len(sampler.classes):
            raise HTTPException(422, f"there are classes 0 to {len(sampler.classes) - 1}")
        return sampler.classes[label]

    def of_classes() -> None:
        if sampler.conditioning_frames:
            raise HTTPException(422, "this model continues videos and knows no classes")

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGE, media_type="text/html")

    @app.get("/model")
    async def model() -> dict[str, Any]:
        return _description(sampler, name)

    @app.get("/samples")
    async def samples(
        label: LabelQuery, seed: SeedQuery, count: CountQuery = 4, truncation: LevelQuery = 1
    ) -> Response:
        of_classes()
        draws, names = Draws([seed], count, Truncation(truncation)), [known(label)]
        return await turns.video(lambda: sampling.class_samples(sampler, names, draws))

    @app.get("/interpolation")
    async def interpolation(
        label: LabelQuery,
        seed: SeedQuery,
        to: Annotated[int | None, Query(ge=0)] = None,
        steps: StepsQuery = 8,
        truncation: LevelQuery = 1,
    ) -> Response:
        of_classes()
        draws = Draws([seed], steps, Truncation(truncation))
        if to is None:
            of = [known(label)]
            return await turns.video(
                lambda: sampling.between_latents(sampler, of, None, 2, draws), in_turn=True
            )
        ends = [known(label), known(to)]
        return await turns.video(
            lambda: sampling.between_classes(sampler, ends, draws), in_turn=True
        )

    @app.post("/continuation")
    async def continuation(
        request: Request, seed: SeedQuery, count: CountQuery = 4, truncation: LevelQuery = 1
    ) -> Response:
        given = sampler.conditioning_frames
        if not given:
            raise HTTPException(
                422, "this model generates clips of a class and continues no frames"
            )
        draws, video = Draws([seed], count, Truncation(truncation)), await _uploaded(request)

        def continued() -> CaptionedClips:
            frames = sampling.opening_frames(video, given, sampler.resolution, MOST_PIXELS)
            return sampling.continuations(sampler, frames, draws)

        return await turns.video(continued)

    return app


class Turns:
    """Requests in turn: a model uses all cores, or the whole device, by itself."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting = 0

    async def video(self, sampled: Callable[[], CaptionedClips], in_turn: bool = False) -> Response:
        """The clips as one mp4, side by side or one after another."""
        if self._waiting > MOST_WAITING:
            raise HTTPException(503, "too many requests wait; try again in a moment")
        self._waiting += 1
        try:
            async with self._lock:
                content = await run_in_threadpool(lambda: _encoded(sampled(), in_turn))
        finally:
            self._waiting -= 1
        return Response(content, media_type="video/mp4")


def _encoded(samples: CaptionedClips, in_turn: bool) -> bytes:
    count, side = len(samples.clips), samples.clips.shape[-1]
    grid = SampleGrid(
        columns=count if in_turn else min(count, 4),
        scale=max(1, SHOWN_SIDE // side),
        captions=in_turn,
        in_turn=in_turn,
    )
    return encoded(samples, grid, ".mp4")


def _description(sampler: Sampler, name: str) -> dict[str, Any]:
    shape = sampler.generator.architecture
    return {
        "name": name,
        "classes": [] if sampler.conditioning_frames else sampler.classes,
        "frames": shape.frames,
        "given": sampler.conditioning_frames,
        "resolution": sampler.resolution,
        "fps": sampler.fps,
        "limits": {
            "count": MOST_CLIPS,
            "steps": MOST_STEPS,
            "seed": HIGHEST_SEED,
            "truncation": HIGHEST_TRUNCATION,
            "bytes": MOST_UPLOADED,
        },
    }


async def _uploaded(request: Request) -> io.BytesIO:
    """The body of a request, of at most MOST_UPLOADED bytes."""
    video = io.BytesIO()
    async for part in request.stream():
        if video.tell() + len(part) > MOST_UPLOADED:
            raise HTTPException(413, f"a video may have at most {MOST_UPLOADED >> 20} MiB")
        video.write(part)
    video.seek(0)
    return video


async def _own_requests_only(request: Request, call: Call) -> Response:
    """Pages of other sites can make a browser send requests here; it names their origin."""
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{request.headers.get('host')}":
        answer: Response = JSONResponse({"detail": "requests of other sites are refused"}, 403)
    else:
        answer = await call(request)
    answer.headers.update(HEADERS)
    return answer


async def _refused(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 400)

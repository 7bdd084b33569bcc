"""Figures: SVG in the colours of the page, the same twice."""

import xml.etree.ElementTree as ElementTree

from dvdgan.reporting.figures import INK, truncation_chart


def test_every_level_is_written_at_its_point():
    points = [
        {"level": 1.0, "FID": 2.0, "IS": 60.0},
        {"level": 0.44, "FID": 12.0, "IS": 130.0},
        {"level": 0.7, "FID": 5.0, "IS": 90.0},
    ]
    drawing = truncation_chart(points)
    texts = [text.strip() for text in ElementTree.fromstring(drawing).itertext() if text.strip()]
    assert {"0.44", "0.7", "1", "IS", "FID"} <= set(texts)
    assert drawing == truncation_chart(points[::-1])
    assert "currentColor" in drawing
    assert INK not in drawing

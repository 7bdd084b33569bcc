"""Video files and frames: decoding, resizing, encoding. The only door to av, PIL and simplejpeg.

`image`, `jpeg`, `transform` and `grid` work without av, so a training machine does not need it.
"""

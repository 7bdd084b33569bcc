"""Video files and frames: decoding, resizing, encoding. The only door to av, PIL and simplejpeg.

`image`, `grid` and `preprocessing` work without av, so a training machine does not need it.
"""

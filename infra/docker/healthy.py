"""Whether HEALTH_URL answers: the health check of the image.

A container that serves nothing leaves it empty; Docker itself sees whether its process runs.
"""

import os
import sys
import urllib.error
import urllib.request

url = os.environ.get("HEALTH_URL", "")
if url:
    try:
        with urllib.request.urlopen(url, timeout=5):
            pass
    except (urllib.error.URLError, OSError) as error:
        sys.exit(f"{url}: {error}")

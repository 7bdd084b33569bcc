"""A local page on which a person plays with a model. The only door to FastAPI and uvicorn."""

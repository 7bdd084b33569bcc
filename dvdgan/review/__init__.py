"""`dvdgan review`: what a change of params.yaml does and costs, as Markdown for a pull request."""

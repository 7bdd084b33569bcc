"""Any clips against any others, whoever made them: `dvdgan evaluate --generated --real`."""

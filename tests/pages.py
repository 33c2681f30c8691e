"""What is to be read on a page of the workbench."""


def texts(component):
    """Every text on a page."""
    found = []
    for part in component.select():
        found += [str(value) for value in (getattr(part, "object", None), getattr(part, "title", None)) if value]
    return " ".join(found)

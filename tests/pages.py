"""What is to be read on a page of the workbench."""


def texts(component):
    """Every text on a page."""
    found = []
    for part in component.select():
        found += [str(value) for value in (getattr(part, "object", None), getattr(part, "title", None)) if value]
    return " ".join(found)


def button(component, label):
    """The button with a label, or with a description that says what it does; None if there is none."""
    for part in component.select():
        if hasattr(part, "clicks") and label in (part.label, getattr(part, "description", None)):
            return part
    return None

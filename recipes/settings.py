"""Settings of runs and of arrays: dicts that must agree."""


def differences(found, wanted):
    """What differs between two dicts of settings, in words; empty if nothing does."""
    return ", ".join(
        f"{name}: {found.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if found.get(name) != value
    )

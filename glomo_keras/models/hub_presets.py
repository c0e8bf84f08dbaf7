"""Presets on the Hugging Face Hub, by addresses such as `hf://user/name`."""

import re

PREFIX = "hf://"
_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
# What `save_to_preset` writes; whatever else is in the repository stays there.
_FILES = (
    "metadata.json",
    "config.json",
    "README.md",
    "*.weights.h5",
    "*.vocabulary.txt",
)


def is_hub_address(preset):
    """Return whether a preset is named by an address of the Hub.

    Example:

    >>> is_hub_address("hf://user/name"), is_hub_address("glomo_text_small_en")
    (True, False)
    """
    return isinstance(preset, str) and preset.startswith(PREFIX)


def parse_address(address):
    """Split an address into repository and revision.

    Args:
        address: string, `hf://user/name` or `hf://user/name@revision`.

    Returns:
        Tuple of strings; the revision is `None` where none is given, which means the
        newest one.

    Raises:
        ValueError: if the address is of another form.

    Example:

    >>> parse_address("hf://user/name@v1.0")
    ('user/name', 'v1.0')
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError(
            "A preset of the Hub must be hf://USER/NAME or hf://USER/NAME@REVISION. "
            f"Received: {address!r}."
        )
    return match.groups()


def download_preset(address):
    """Download a preset, or find it where it was downloaded to before.

    Args:
        address: string, see `parse_address`.

    Returns:
        String, the path of its folder, of one revision.

    Raises:
        ValueError: if the address is of another form.
        ImportError: if huggingface_hub is not installed.
        FileNotFoundError: if there is no such repository or revision, or it cannot be
            reached.

    Example:

    >>> download_preset("hf://name")
    Traceback (most recent call last):
    ValueError: A preset of the Hub must be hf://USER/NAME or hf://USER/NAME@REVISION.
    Received: 'hf://name'.
    """
    repository, revision = parse_address(address)
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError as error:
        raise ImportError(
            f"{address} needs huggingface_hub, which is not installed. Run: "
            'pip install "glomo_keras[hub]"'
        ) from error
    try:
        return snapshot_download(
            repository, revision=revision, allow_patterns=list(_FILES)
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise FileNotFoundError(
            f"{address} cannot be downloaded: {reason[0].rstrip('.')}. Check user, "
            "name and revision, and the connection."
        ) from error

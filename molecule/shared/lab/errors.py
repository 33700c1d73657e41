"""Everything the lab can refuse or fail at.

LabError
 ├── InventoryError     the inventory does not describe a lab
 ├── HostError          this machine cannot run the lab (rights, tools, space, subnet)
 ├── CommandError       a tool that the lab called failed
 ├── ImageError         the base image could not be built
 └── GuestError         a guest is unknown, does not boot or does not answer
"""

from collections.abc import Sequence


class LabError(Exception):
    """Base of all errors; its text is one line for the person at the terminal.

    `details` are lines printed below it, such as the end of a console log.
    """

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.details = tuple(details)


class InventoryError(LabError):
    """The inventory does not describe a lab; the text names the host and the variable."""


class HostError(LabError):
    """This machine cannot run the lab as asked."""


class CommandError(LabError):
    """A tool ended with an error; the text carries its last line of output."""


class ImageError(LabError):
    """The base image could not be built."""


class GuestError(LabError):
    """A guest is unknown, did not boot or does not answer."""
